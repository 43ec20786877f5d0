"""Every accepted run, from the moment it is accepted: who owns it, and whether it has begun.

A run is durable once it stands here; the store of checkpoints learns of it afterwards. What
waits for the disk at the same time shares one commit.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.core.errors import InvalidInput
from models.workflow.calls import Payload
from models.workflow.contract import Page, Query, RunSummary, State
from models.workflow.database import MAX_BATCH, Database, events, executors, runs
from models.workflow.events import ENDINGS

FORGOTTEN_S: Final = 5.0  # after it, a run that its own executor has not begun was let go of


@dataclass(frozen=True)
class Registered:
    """A run as it was accepted.

    Attributes:
        run_id: Of the run.
        owner: Whose it is.
        name: For lists.
        digest: Of its graph.
        accepted_at: POSIX time.
        payload: What to do; `None` once the store of checkpoints has it.
    """

    run_id: str
    owner: str
    name: str
    digest: str
    accepted_at: float
    payload: Payload | None


class Registry:
    """The table of accepted runs.

    Args:
        database: Where it is.
        epoch: Of this executor, which begins the runs that it accepts.
    """

    def __init__(self, database: Database, epoch: int) -> None:
        self._database = database
        self._epoch = epoch
        self._entering: list[tuple[Registered, asyncio.Future[str | None]]] = []
        self._writer: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits to be accepted."""
        return self._writer is not None and not self._writer.done()

    async def enter(self, run: Registered) -> str | None:
        """Accept a run durably; the digest of the run that has this name already, if one has."""
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._entering.append((run, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._enter_all())
        return await done

    async def _enter_all(self) -> None:
        while self._entering:
            batch, self._entering = self._entering[:MAX_BATCH], self._entering[MAX_BATCH:]
            arrived = [run for run, _ in batch]
            try:
                known = await self._database.write(partial(self._insert, arrived))
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (_, done), found in zip(batch, known, strict=True):
                if not done.done():
                    done.set_result(found)

    def _insert(self, arrived: Sequence[Registered], connection: sa.Connection) -> list[str | None]:
        dialect: Any = postgresql if self._database.is_postgres else sqlite
        insert = dialect.insert(runs).on_conflict_do_nothing().returning(runs.c.run_id)
        rows = [self._row(run) for run in arrived]
        fresh = set(connection.execute(insert, rows).scalars())
        names = [run.run_id for run in arrived]
        first = {name: names.index(name) for name in fresh}
        if len(first) == len(names):
            return [None] * len(names)
        wanted = sa.select(runs.c.run_id, runs.c.digest).where(runs.c.run_id.in_(names))
        digests = {row.run_id: row.digest for row in connection.execute(wanted)}
        return [None if first.get(name) == n else digests[name] for n, name in enumerate(names)]

    def _row(self, run: Registered) -> dict[str, Any]:
        assert run.payload is not None  # noqa: S101 - it has not begun
        return {
            "run_id": run.run_id,
            "owner": run.owner,
            "name": run.name,
            "digest": run.digest,
            "accepted_at": run.accepted_at,
            "epoch": self._epoch,
            "payload": run.payload.model_dump_json(),
        }

    async def begun(self, run_id: str) -> None:
        """Note that the store of checkpoints has a run."""
        mine = sa.update(runs).where(runs.c.run_id == run_id).values(payload=None)
        await self._database.write(lambda c: c.execute(mine))

    async def of(self, run_id: str, owner: str) -> Registered | None:
        """A run, `None` where the owner has none of this name."""
        wanted = sa.select(runs).where(runs.c.run_id == run_id, runs.c.owner == owner)
        row = await self._database.read(lambda c: c.execute(wanted).first())
        return None if row is None else _registered(row)

    async def waiting(self, run_ids: Sequence[str]) -> list[Registered]:
        """Those of the runs that have not begun."""
        wanted = sa.select(runs).where(runs.c.run_id.in_(run_ids), runs.c.payload.is_not(None))
        rows = await self._database.read(lambda c: c.execute(wanted).all())
        return [_registered(row) for row in rows]

    async def delete(self, run_ids: Sequence[str]) -> None:
        """Forget these runs."""
        gone = sa.delete(runs).where(runs.c.run_id.in_(run_ids))
        await self._database.write(lambda c: c.execute(gone))

    async def find(self, query: Query) -> Page:
        """Runs of an owner, newest first."""
        rows = await self._database.read(lambda c: c.execute(_listing(query)).all())
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        cursor = str(Cursor(shown[-1].accepted_at, shown[-1].run_id)) if more else None
        return Page(runs=tuple(_summary(row) for row in shown), cursor=cursor)


def left_behind(own_epoch: int) -> sa.Select[Any]:
    """Names of the runs that nobody alive is going to begin."""
    alive = sa.select(executors.c.epoch).where(executors.c.fenced.is_(False))
    forgotten = sa.and_(runs.c.epoch == own_epoch, runs.c.accepted_at < time.time() - FORGOTTEN_S)
    orphaned = sa.or_(runs.c.epoch.not_in(alive), forgotten)
    return sa.select(runs.c.run_id).where(runs.c.payload.is_not(None), orphaned)


def _listing(query: Query) -> sa.Select[Any]:
    ending = sa.and_(events.c.run_id == runs.c.run_id, events.c.name.in_(tuple(ENDINGS)))
    wanted = (
        sa.select(runs, events.c.name.label("ending"), events.c.at.label("ended_at"))
        .outerjoin(events, ending)
        .where(runs.c.owner == query.owner)
        .order_by(runs.c.accepted_at.desc(), runs.c.run_id.desc())
        .limit(query.limit + 1)
    )
    if query.states:
        wanted = wanted.where(sa.or_(*(_is_in(state) for state in query.states)))
    if query.since is not None:
        wanted = wanted.where(runs.c.accepted_at >= query.since.timestamp())
    if query.cursor is not None:
        last = Cursor.read(query.cursor)
        same = sa.and_(runs.c.accepted_at == last.accepted_at, runs.c.run_id < last.run_id)
        wanted = wanted.where(sa.or_(runs.c.accepted_at < last.accepted_at, same))
    return wanted


def _is_in(state: State) -> sa.ColumnElement[bool]:
    for name, ended in ENDINGS.items():
        if ended == state:
            return events.c.name == name
    has_begun = runs.c.payload.is_(None) if state == "running" else runs.c.payload.is_not(None)
    return sa.and_(events.c.name.is_(None), has_begun)


def _registered(row: sa.Row[Any]) -> Registered:
    payload = None if row.payload is None else Payload.model_validate_json(row.payload)
    return Registered(row.run_id, row.owner, row.name, row.digest, row.accepted_at, payload)


def _summary(row: sa.Row[Any]) -> RunSummary:
    ended: State | None = ENDINGS[row.ending] if row.ending else None
    return RunSummary(
        run_id=row.run_id,
        name=row.name,
        state=ended or ("running" if row.payload is None else "pending"),
        created_at=datetime.fromtimestamp(row.accepted_at, UTC),
        finished_at=datetime.fromtimestamp(row.ended_at, UTC) if ended else None,
    )


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: the last run on it."""

    accepted_at: float
    run_id: str

    def __str__(self) -> str:
        """As callers pass it back."""
        content = json.dumps([self.accepted_at, self.run_id])
        return base64.urlsafe_b64encode(content.encode()).decode()

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """The cursor that a caller passed.

        Raises:
            InvalidInput: It is none of ours.
        """
        with contextlib.suppress(ValueError, TypeError):
            accepted_at, run_id = json.loads(base64.urlsafe_b64decode(text))
            return cls(float(accepted_at), str(run_id))
        raise InvalidInput("this cursor was not given by the list")
