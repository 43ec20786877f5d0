"""The journal and the memory of results as tables."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.workflow.contract import Event
from models.workflow.database import Database, events, executors, hooks, memo
from models.workflow.journal import Entry, StaleEpoch
from models.workflow.webhooks import message_of, wanted


class SqlJournal:
    """A `Journal` whose writes hold only while the executor is not fenced.

    The check and the write are one transaction, so a process that was frozen while another one
    took its runs over writes nothing when it wakes.
    """

    def __init__(self, database: Database, epoch: int) -> None:
        self._database = database
        self._epoch = epoch
        self._locks: dict[str, asyncio.Lock] = {}
        self._readers: dict[str, set[asyncio.Event]] = {}

    async def append(self, entry: Entry) -> bool:
        """Write an event under the next number of its run.

        Raises:
            StaleEpoch: The lease is lost.
        """
        lock = self._locks.setdefault(entry.run_id, asyncio.Lock())
        async with lock:
            written = await self._database.write(lambda c: self._append(c, entry))
        if not lock.locked():
            self._locks.pop(entry.run_id, None)
        for news in self._readers.get(entry.run_id, ()):
            news.set()
        return written

    def _append(self, connection: sa.Connection, entry: Entry) -> bool:
        fence = sa.select(executors.c.fenced).where(executors.c.epoch == self._epoch)
        if self._database.is_postgres:
            fence = fence.with_for_update(read=True)
        if connection.execute(fence).scalar() is not False:
            raise StaleEpoch(f"executor {self._epoch} was taken over")
        number = self._number(connection, entry)
        if number is not None and wanted(entry):
            connection.execute(sa.insert(hooks).values(message_of(entry, number, time.time())))
        return number is not None

    def _number(self, connection: sa.Connection, entry: Entry) -> int | None:
        """The number that the event got; `None` where an exclusive one was there already."""
        while True:
            try:
                if not self._database.is_postgres:
                    return connection.execute(_insert(entry)).scalar()
                with connection.begin_nested():
                    return connection.execute(_insert(entry)).scalar()
            except IntegrityError:
                continue  # another process took the number

    async def of_item(self, run_id: str, task: str, item: int) -> list[Event]:
        """Events of one call, in order."""
        wanted = sa.and_(events.c.run_id == run_id, events.c.task == task, events.c.item == item)
        return await self._database.look_up(lambda c: _select(c, wanted))

    async def after(self, run_id: str, number: int) -> list[Event]:
        """Events with a greater number."""
        wanted = sa.and_(events.c.run_id == run_id, events.c.number > number)
        return await self._database.read(lambda c: _select(c, wanted))

    @contextmanager
    def watching(self, run_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever this process writes down something of the run."""
        news = asyncio.Event()
        readers = self._readers.setdefault(run_id, set())
        readers.add(news)
        try:
            yield news
        finally:
            readers.discard(news)
            if not readers and self._readers.get(run_id) is readers:
                del self._readers[run_id]

    async def delete(self, run_ids: list[str]) -> None:
        """Forget these runs."""
        await self._database.write(
            lambda c: c.execute(sa.delete(events).where(events.c.run_id.in_(run_ids)))
        )


def _insert(entry: Entry) -> sa.Executable:
    own = events.c.run_id == entry.run_id
    number = sa.select(sa.func.coalesce(sa.func.max(events.c.number), -1) + 1).where(own)
    values = {
        "run_id": entry.run_id,
        "at": time.time(),
        "name": entry.name,
        "task": entry.task,
        "item": entry.item,
        "attempt": entry.attempt,
        "data": json.dumps(dict(entry.data or {}), separators=(",", ":")),
    }
    columns = [sa.literal(value, events.c[name].type) for name, value in values.items()]
    row = sa.select(*columns, number.scalar_subquery())
    if entry.exclusive:
        taken = sa.select(events.c.number).where(own, events.c.name.in_(entry.exclusive))
        row = row.where(~taken.exists())
    insert = sa.insert(events).from_select([*values, "number"], row)
    return insert.returning(events.c.number)


def _select(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> list[Event]:
    rows = connection.execute(sa.select(events).where(wanted).order_by(events.c.number))
    return [
        Event(
            number=row.number,
            at=datetime.fromtimestamp(row.at, UTC),
            name=row.name,
            task=row.task,
            item=row.item,
            attempt=row.attempt,
            data=json.loads(row.data),
        )
        for row in rows
    ]


class SqlMemo:
    """A `Memo` as a table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, key: str) -> str | None:
        """Id of the artifact kept under a key."""
        found = sa.select(memo.c.asset_id).where(memo.c.key == key)
        asset_id: str | None = await self._database.look_up(lambda c: c.execute(found).scalar())
        return asset_id

    async def remember(self, key: str, asset_id: str) -> None:
        """Keep the id; the last one stays."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(memo).where(memo.c.key == key))
            row = {"key": key, "asset_id": asset_id, "created_at": time.time()}
            connection.execute(sa.insert(memo).values(row))

        try:
            await self._database.write(work)
        except IntegrityError:
            return  # the same result was kept by another process in this moment

    async def forget(self, before: float) -> None:
        """Forget what was remembered before a POSIX time; its artifacts stay their owner's."""
        old = sa.delete(memo).where(memo.c.created_at < before)
        await self._database.write(lambda c: c.execute(old))
