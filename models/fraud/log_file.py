"""A file that the replicas of one machine write to in turn: SQLite in WAL mode.

A committed change survives the death of the process; with `sync` it also survives a power cut, at
one fsync a change.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.core.durable import make_folder
from models.core.errors import ModelUnavailable, StorageFull

BUSY_S = 5.0


class LogFile:
    """An open file with its tables.

    Args:
        path: Of the file, whose folder is made; `None` keeps everything in memory.
        schema: Statements that make what is missing.
        what: Is recorded, for messages.
        sync: Wait for the disk on every commit.

    Attributes:
        db: The connection, without transactions of its own.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, path: Path | None, schema: str, what: str, *, sync: bool = False) -> None:
        self._what = what
        try:
            if path is not None:
                make_folder(path.parent)
            self.db = sqlite3.connect(path or ":memory:", timeout=BUSY_S, isolation_level=None)
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            self.db.executescript(schema)
        except (sqlite3.Error, OSError) as error:
            raise ModelUnavailable(f"{path} cannot be opened: {error}; see its folder") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one writer at a time.

        Raises:
            StorageFull: Nothing was written, for lack of room or because the file is not writable.
        """
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StorageFull(f"{self._what} could not be recorded: {error}") from error

    def close(self) -> None:
        """Release the file."""
        self.db.close()
