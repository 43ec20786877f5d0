"""PostgreSQL as the record of replicas on several machines.

One writer of a key at a time: a transaction takes an advisory lock of the key before it reads. So
the rows of a key become visible in the order of their numbers, and whoever read up to a number has
seen every row of the key before it.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NoReturn, TypeVar

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrDumper, TextLoader

from models.core.errors import ModelUnavailable, UpstreamUnavailable
from models.fraud.record import Rows

logger = logging.getLogger(__name__)

CONNECT_S: Final = 2
ANSWER_S: Final = 5.0
PAUSE_S: Final = 5.0
"""For so long nobody waits for a database again that could not be reached."""
BAD_URL: Final = "secrets.fraud.record_url is not the URL of a PostgreSQL database: postgresql://…"
TYPES: Final = {
    "number": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "bytes": "BYTEA",
    "strict": "",
    "clustered": "",
}
# The server ends what takes longer, and lets go of the locks of a process that froze.
SESSION: Final = """
SET search_path = orrery_fraud;
SET lock_timeout = 3000;
SET statement_timeout = 4000;
SET idle_in_transaction_session_timeout = 3000;
SET synchronous_commit = on
"""
NETWORK: Final[dict[str, str | int]] = {
    "connect_timeout": CONNECT_S,
    "application_name": "orrery-fraud",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": int(1000 * ANSWER_S),
}
# What is read after the lock must be as new as the lock, whatever the server's default.
BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({:d})"
LOCK: Final = "SELECT pg_advisory_xact_lock(%s)"
HAS_SCHEMA: Final = "SELECT to_regnamespace('orrery_fraud') IS NOT NULL"

ResultT = TypeVar("ResultT")


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """One that gives a server up that is silent."""

    def wait(
        self, gen: PQGen[ResultT], interval: float = 0.1, timeout: float | None = None
    ) -> ResultT:
        """Wait for an answer, but not for ever."""
        return super().wait(gen, interval, ANSWER_S if timeout is None else timeout)


class _Dumper(StrDumper):
    r"""PostgreSQL keeps no NUL in a text, so `\0` stands for it."""

    def dump(self, obj: str) -> Buffer | None:
        """As it is kept."""
        if "\\" in obj or "\0" in obj:
            obj = obj.replace("\\", "\\\\").replace("\0", "\\0")
        return super().dump(obj)


class _Loader(TextLoader):
    """The reverse of `_Dumper`."""

    def load(self, data: Buffer) -> str | bytes:
        """As it was given."""
        found = super().load(data)
        if isinstance(found, str) and "\\" in found:
            parts = found.split("\\\\")
            return "\\".join(part.replace("\\0", "\0") for part in parts)
        return found


class Postgres:
    """A connection to the database, made when it is first needed and again when it is lost.

    For one thread at a time. While the database cannot be reached, it is asked now and then only.

    Args:
        url: `postgresql://…`, password included.
        clock: Seconds, monotone.

    Raises:
        ModelUnavailable: It is no such URL.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        if not url.startswith(("postgresql://", "postgres://")):
            raise ModelUnavailable(BAD_URL)
        try:
            self._parameters = {**NETWORK, **conninfo_to_dict(url)}
        except psycopg.ProgrammingError:
            raise ModelUnavailable(BAD_URL) from None  # the message may hold the password
        self._clock = clock
        self._connection: _Connection | None = None
        self._again_at = -float("inf")
        self._made: set[str] = set()

    def record(self, schema: str, what: str) -> "PostgresRecord":
        """Its tables, made when they are first used."""
        return PostgresRecord(self, schema.format(**TYPES), what)

    def asked(self, schema: str, ask: Callable[[_Connection], ResultT]) -> ResultT:
        """The answer to a question that begins a piece of work.

        It is asked again where the connection turns out to have been lost meanwhile.

        Args:
            schema: Statements that make the tables, if they have not been.
            ask: May be called twice.

        Raises:
            psycopg.Error: There is no answer.
        """
        kept = self._connection is not None
        try:
            return ask(self._ready(schema))
        except psycopg.OperationalError:
            lost = self._connection is None or self._connection.closed
            if not (kept and lost):
                raise
        self.drop()
        return ask(self._ready(schema))

    def drop(self) -> None:
        """Close the connection, and with it what is not committed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def make_again(self) -> None:
        """Make the tables at the next use: somebody dropped them."""
        self._made.clear()

    def _ready(self, schema: str) -> _Connection:
        connection = self._connected()
        if schema not in self._made:
            with connection.transaction():
                connection.execute(LOCK, (_lock_of("schema"),))
                found = connection.execute(HAS_SCHEMA).fetchone()
                if found is None or not found[0]:
                    connection.execute("CREATE SCHEMA orrery_fraud")
                connection.execute(schema.encode())
            self._made.add(schema)
        return connection

    def _connected(self) -> _Connection:
        if self._connection is None:
            if self._clock() < self._again_at:
                raise psycopg.OperationalError("could not be reached a moment ago")
            try:
                made = _Connection.connect("", autocommit=True, **self._parameters)  # type: ignore[arg-type]  # parameters of libpq
            except psycopg.Error:
                self._again_at = self._clock() + PAUSE_S
                raise
            self._connection = made
            made.adapters.register_dumper(str, _Dumper)
            made.adapters.register_loader("text", _Loader)
            made.execute(SESSION)
        return self._connection


class PostgresRecord:
    """Some tables of the database.

    Args:
        postgres: The database.
        schema: Statements that make what is missing.
        what: Is recorded, for messages.
    """

    def __init__(self, postgres: Postgres, schema: str, what: str) -> None:
        self._postgres, self._schema, self._what = postgres, schema, what
        self._within: _Connection | None = None

    @contextmanager
    def transaction(self, key: str) -> Iterator[None]:
        """All or nothing, one writer of a key of these tables at a time.

        Raises:
            UpstreamUnavailable: The database does not answer; nothing was written, or, if the
                connection was lost while it committed, perhaps everything.
        """
        lock = _lock_of(f"{self._what} {key}")
        with self._named():
            self._within = self._postgres.asked(self._schema, lambda c: _begun(c, lock))
            try:
                yield
                self._within.execute("COMMIT")
            except BaseException:
                self._undo(self._within)
                raise
            finally:
                self._within = None

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement, which outside a transaction may happen twice.

        Raises:
            UpstreamUnavailable: The database does not answer.
        """
        asked = _translated(statement)
        with self._named():
            if self._within is not None:
                return self._within.execute(asked, values)
            return self._postgres.asked(self._schema, lambda c: c.execute(asked, values))

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each row, within a transaction.

        Raises:
            UpstreamUnavailable: The database does not answer.
        """
        assert self._within is not None  # noqa: S101  # else some might be written
        given, asked = list(rows), _translated(statement)
        with self._named(), self._within.cursor() as cursor:
            if len(given) == 1:
                cursor.execute(asked, given[0])  # without the cost of a pipeline
            else:
                cursor.executemany(asked, given)

    def close(self) -> None:
        """Release the connection."""
        self._postgres.drop()

    def _undo(self, connection: _Connection) -> None:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self._postgres.drop()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            self._refuse(error)

    def _refuse(self, error: psycopg.Error) -> NoReturn:
        if self._within is None:
            self._postgres.drop()
        if isinstance(error, psycopg.errors.UndefinedTable):
            self._postgres.make_again()
        # Callers are tenants: where the database is and what it says is for the log.
        kind = type(error).__name__
        extra = {"what": self._what, "kind": kind, "sqlstate": error.sqlstate}
        logger.warning("record not available", extra=extra)
        raise UpstreamUnavailable(
            f"{self._what} could not be recorded: the database does not answer", PAUSE_S
        ) from error


def _begun(connection: _Connection, lock: int) -> _Connection:
    connection.execute(BEGIN.format(lock).encode())  # in one message
    return connection


@cache
def _translated(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


def _lock_of(key: str) -> int:
    """Number of an advisory lock; keys that share one by chance wait for each other."""
    digest = hashlib.blake2b(f"orrery fraud {key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
