"""A file that the replicas of one machine write to in turn: SQLite in WAL mode.

A committed change survives the death of the process; with `sync` it also survives a power cut, at
one fsync a change.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.core.durable import make_folder
from models.core.errors import ModelUnavailable, StorageFull

BUSY_S = 5.0
TYPES: Final = {
    "number": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "integer": "INTEGER",
    "real": "REAL",
    "bytes": "BLOB",
    "strict": "STRICT",
    "clustered": "STRICT, WITHOUT ROWID",
}


class LogFile:
    """An open file with its tables; for one thread at a time.

    Args:
        path: Of the file, whose folder is made; `None` keeps everything in memory.
        schema: Statements that make what is missing, with `TYPES` in braces.
        what: Is recorded, for messages.
        sync: Wait for the disk on every commit.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, path: Path | None, schema: str, what: str, *, sync: bool = False) -> None:
        self._what = what
        try:
            if path is not None:
                make_folder(path.parent)
            self._db = sqlite3.connect(
                path or ":memory:", timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            self._db.executescript(schema.format(**TYPES))
        except (sqlite3.Error, OSError) as error:
            raise ModelUnavailable(f"{path} cannot be opened: {error}; see its folder") from error

    @contextmanager
    def transaction(self, key: str) -> Iterator[None]:
        """All or nothing, one writer at a time, whatever the key.

        Raises:
            StorageFull: Nothing was written, for lack of room or because the file is not writable.
        """
        with self._named():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run one statement.

        Raises:
            StorageFull: It cannot be run.
        """
        with self._named():
            return self._db.execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each row.

        Raises:
            StorageFull: It cannot be run.
        """
        with self._named():
            self._db.executemany(statement, rows)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageFull(f"{self._what} could not be recorded: {error}") from error
