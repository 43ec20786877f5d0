"""Proof that an executor died, long before its lease ends: the system lets go of its locks.

It only ever shortens the wait. Where locks say nothing, leases do.
"""

import fcntl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from models.core.durable import make_folder
from models.workflow.database import Database

LOCK_CLASS: Final = 7203115


class Vitals(Protocol):
    """The signs of life of all executors on a database.

    Attributes:
        certain: Whether what is missing is dead. Otherwise it may only have lost its connection,
            and shows itself with the next renewal of its lease.
    """

    certain: bool

    def show(self, epoch: int) -> bool:
        """Show that this executor lives, until its process ends; false if it had not shown it."""
        ...

    def missing(self, connection: sa.Connection, epochs: Sequence[int]) -> list[int]:
        """Those of the executors that show nothing, as far as this one can tell."""
        ...

    def forget(self, epochs: Sequence[int]) -> None:
        """Clean up after executors that are fenced."""
        ...

    def close(self) -> None:
        """Show nothing more."""
        ...


def vitals_of(database: Database) -> Vitals:
    """Those that fit the database."""
    if database.path is None:
        return SessionVitals(database)
    return FileVitals(database.path.absolute().with_name(f"{database.path.name}-executors"))


class FileVitals:
    """A locked file for each executor: processes that share a SQLite file share a kernel.

    Args:
        folder: Where the files are.
    """

    certain = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: tuple[Path, BinaryIO] | None = None

    def show(self, epoch: int) -> bool:
        """Lock a file, once."""
        if self._own is not None:
            return True
        make_folder(self._folder)
        path = self._folder / str(epoch)
        new = path.with_suffix(".new")
        file = new.open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        new.rename(path)  # nobody ever sees it unlocked
        self._own = path, file
        return False

    def missing(self, connection: sa.Connection, epochs: Sequence[int]) -> list[int]:
        """Those whose file is there, and not locked."""
        return [epoch for epoch in epochs if self._is_free(self._folder / str(epoch))]

    def _is_free(self, path: Path) -> bool:
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        return False

    def forget(self, epochs: Sequence[int]) -> None:
        """Remove their files."""
        for epoch in epochs:
            (self._folder / str(epoch)).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the own file."""
        if self._own is not None:
            path, file = self._own
            path.unlink(missing_ok=True)
            file.close()
            self._own = None


class SessionVitals:
    """An advisory lock of PostgreSQL for each executor, held by a connection of its own."""

    certain = False

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: sa.Connection | None = None
        self._epoch = 0

    def show(self, epoch: int) -> bool:
        """Lock, again where the connection broke.

        Raises:
            SQLAlchemyError: The database does not answer.
        """
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
            except SQLAlchemyError:
                self.close()
            else:
                return True
        connection = self._database.engine.connect()
        connection.execution_options(isolation_level="AUTOCOMMIT")
        lock = sa.select(sa.func.pg_advisory_lock_shared(LOCK_CLASS, epoch))
        connection.execute(lock)
        self._connection, self._epoch = connection, epoch
        return False

    def missing(self, connection: sa.Connection, epochs: Sequence[int]) -> list[int]:
        """Those without a lock; none after a restart, until this executor has its own again."""
        if not epochs:
            return []
        locks = sa.text(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = :kind AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        held = set(connection.execute(locks, {"kind": LOCK_CLASS}).scalars())
        return [epoch for epoch in epochs if epoch not in held] if self._epoch in held else []

    def forget(self, epochs: Sequence[int]) -> None:
        """Nothing: the locks went with their connections."""

    def close(self) -> None:
        """End the connection, and the lock with it."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
