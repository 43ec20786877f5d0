"""The database of runs: SQLite in a file, or PostgreSQL; every commit survives a power cut."""

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.core.durable import make_folder
from models.core.errors import UpstreamUnavailable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Work: TypeAlias = Callable[[sa.Connection], Any]
Outcome: TypeAlias = tuple[Any, Exception | None]
SCHEMA_VERSION: Final = 3
POOL_SIZE: Final = 20
SQLITE_POOL_SIZE: Final = 6  # more only wait for the lock of the file, asleep
MAX_BATCH: Final = 128
READ_TIMEOUT_S: Final = 5.0
LONGEST_PAUSE_S: Final = 0.25
IDLE_TRANSACTION_MS: Final = 1500  # below the lease: a frozen process must not hold up its fencing
IDLE_TRANSACTION: Final = "25P03"  # what PostgreSQL answers after that time
PRAGMAS: Final = {
    "journal_mode": "WAL",
    "busy_timeout": 30000,
    "synchronous": "FULL",
    "foreign_keys": "ON",
}

metadata = sa.MetaData()

schema_versions = sa.Table(
    "orrery_schema", metadata, sa.Column("version", sa.Integer, nullable=False)
)

executors = sa.Table(
    "orrery_executors",
    metadata,
    sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("executor_id", sa.Text, nullable=False, unique=True),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("fenced", sa.Boolean, nullable=False),
)

runs = sa.Table(
    "orrery_runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("accepted_at", sa.Double, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("payload", sa.Text),  # until the run has begun
    sa.Index("orrery_runs_by_owner", "owner", "accepted_at"),
)
sa.Index(
    "orrery_runs_waiting",
    runs.c.epoch,
    sqlite_where=runs.c.payload.is_not(None),
    postgresql_where=runs.c.payload.is_not(None),
)

events = sa.Table(
    "orrery_events",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("task", sa.Text),
    sa.Column("item", sa.Integer),
    sa.Column("attempt", sa.Integer),
    sa.Column("data", sa.Text, nullable=False),
)

memo = sa.Table(
    "orrery_memo",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("asset_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

previews = sa.Table(
    "orrery_previews",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("asset_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("kept_at", sa.Double, nullable=False),
)

hooks = sa.Table(
    "orrery_hooks",
    metadata,
    sa.Column("message_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False, index=True),
)

hook_secrets = sa.Table(
    "orrery_hook_secrets",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("secret", sa.Text, nullable=False),
)


class Database:
    """Transactions on the database of runs.

    Args:
        url: `postgresql://…`, or a path for SQLite.
    """

    def __init__(self, url: str | Path) -> None:
        self.is_postgres = str(url).startswith(("postgresql", "postgres://"))
        self._url = str(url)
        self.path = None if self.is_postgres else Path(str(url).removeprefix("sqlite:///"))
        self.engine = self.new_engine(explicit=True)
        self.transact(self._migrate)
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    def new_engine(self, *, explicit: bool = False) -> sa.Engine:
        """Connections of their own.

        Args:
            explicit: SQLite begins no transaction by itself.
        """
        return _postgres(self._url) if self.path is None else _sqlite(self.path, explicit)

    @property
    def kind(self) -> Literal["postgresql", "sqlite"]:
        """Which database it is."""
        return "postgresql" if self.is_postgres else "sqlite"

    @property
    def url(self) -> str:
        """As SQLAlchemy writes it, password included."""
        return self.engine.url.render_as_string(hide_password=False)

    @property
    def now(self) -> sa.ColumnElement[float]:
        """The clock of the database: the clocks of its clients may differ."""
        if self.is_postgres:
            return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
        return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double())

    def _migrate(self, connection: sa.Connection) -> None:
        if self.is_postgres:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203114)"))
        metadata.create_all(connection)
        found = connection.execute(sa.select(schema_versions.c.version)).scalar()
        if found is None:
            connection.execute(sa.insert(schema_versions).values(version=SCHEMA_VERSION))
            return
        if found > SCHEMA_VERSION:
            raise RuntimeError(
                f"the database of runs has schema {found}; this release knows "
                f"{SCHEMA_VERSION}: install the newer release again"
            )
        if found < 2:
            self._enter_older_runs(connection)
        connection.execute(sa.update(schema_versions).values(version=SCHEMA_VERSION))

    def _enter_older_runs(self, connection: sa.Connection) -> None:
        """Before schema 2, DBOS alone knew which runs there were."""
        schema = "dbos" if self.is_postgres else None
        if not sa.inspect(connection).has_table("workflow_status", schema=schema):
            return
        select = (
            "SELECT workflow_uuid, authenticated_user, attributes->>'name', attributes->>'digest', "
            "created_at / 1000.0, 0 FROM {0}workflow_status WHERE name = 'dag.v1'"
        )
        names = ("run_id", "owner", "name", "digest", "accepted_at", "epoch")
        older = sa.text(select.format("dbos." if self.is_postgres else ""))
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        connection.execute(sa.insert(runs).from_select(names, older.columns(*columns)))

    def transact(self, work: Callable[[sa.Connection], Result], *, reads: bool = False) -> Result:
        """Result of the work, done in one transaction that is durable on return."""
        with self.engine.begin() as connection:
            if not self.is_postgres:
                connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
            return work(connection)

    async def read(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Like `transact` in a thread; gives up soon, since somebody waits for the answer.

        Raises:
            UpstreamUnavailable: The database does not answer.
        """
        return await self._again(work, True, time.monotonic() + READ_TIMEOUT_S)

    async def look_up(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Like `read`, but tries until the database answers: a run depends on it."""
        return await self._again(work, True, None)

    async def write(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Result of the work once it is durable; tries until the database takes it.

        What waits at the same time shares a transaction, and so the wait for the disk.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        result: Result = await done
        return result

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            works = [work for work, _ in batch]
            outcomes = await (self._all(works) if len(works) > 1 else self._one(works[0]))
            for (_, done), (result, error) in zip(batch, outcomes, strict=True):
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(result)
                else:
                    done.set_exception(error)

    async def _all(self, works: Sequence[Work]) -> list[Outcome]:
        return await self._again(partial(_each, works), False, None)

    async def _one(self, work: Work) -> list[Outcome]:
        """Nobody shares its transaction, so it needs no savepoint."""
        try:
            return [(await self._again(work, False, None), None)]
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for this work
            return [(None, error)]

    async def _again(
        self, work: Callable[[sa.Connection], Result], reads: bool, give_up_at: float | None
    ) -> Result:
        pause_s = 0.05
        while True:
            try:
                return await asyncio.to_thread(self.transact, work, reads=reads)
            except (DBAPIError, PoolTimeout) as error:
                if not is_passing(error):
                    raise
                if give_up_at is not None and time.monotonic() > give_up_at:
                    raise UpstreamUnavailable(
                        "the database of runs does not answer", 5.0
                    ) from error
                logger.warning("database not available", extra={"reason": type(error).__name__})
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _each(works: Sequence[Work], connection: sa.Connection) -> list[Outcome]:
    """Result or error of each work; one that fails leaves the others as they are."""
    outcomes: list[Outcome] = []
    for work in works:
        try:
            with connection.begin_nested():
                outcomes.append((work(connection), None))
        except Exception as error:
            if is_passing(error):
                raise  # the database, not the work: all are tried again
            outcomes.append((None, error))
    return outcomes


def is_passing(error: Exception) -> bool:
    """Whether the database was away, busy, or closed the connection: the work can be done again."""
    if isinstance(error, OperationalError | PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", "") == IDLE_TRANSACTION


def _postgres(url: str) -> sa.Engine:
    rest = url.split("://", 1)[1]
    engine = sa.create_engine(
        f"postgresql+psycopg://{rest}",
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "application_name": "orrery"},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:  # noqa: ANN401 - of the driver
        connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TRANSACTION_MS}")
        connection.commit()

    return engine


def _sqlite(path: Path, explicit: bool) -> sa.Engine:
    make_folder(path.absolute().parent)
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=SQLITE_POOL_SIZE, max_overflow=0)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - unused
        connection.isolation_level = None if explicit else "IMMEDIATE"
        for name, value in PRAGMAS.items():
            connection.execute(f"PRAGMA {name}={value}")

    return engine
