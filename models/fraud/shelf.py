"""Texts by owner that all replicas look at: files of one machine, or rows of a database."""

import hashlib
from pathlib import Path
from typing import Final, Protocol

from models.core.durable import full_disk_is_named, write_atomically
from models.fraud.record import Database, Record, open_record

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS site (
    owner TEXT PRIMARY KEY, version {integer} NOT NULL, content TEXT NOT NULL
) {strict};
"""
PUT: Final = """
INSERT INTO site VALUES (?, 1, ?) ON CONFLICT (owner) DO UPDATE SET
    version = site.version + 1, content = excluded.content
"""
NOT_KEPT: Final = "what is ordinary could not be kept; nothing has changed"


class Shelf(Protocol):
    """Holds a text for each owner."""

    def version(self, owner: str) -> int | None:
        """Changes with the text; `None` where there is none.

        Raises:
            CapabilityError: It is not known at the moment.
        """
        ...

    def read(self, owner: str) -> str:
        """The text.

        Raises:
            OSError: It cannot be read.
            CapabilityError: The same.
        """
        ...

    def write(self, owner: str, content: str) -> None:
        """Put a text in the place of the earlier one.

        Raises:
            CapabilityError: The earlier one stays.
        """
        ...


class Files:
    """A file each.

    Args:
        folder: In the data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def version(self, owner: str) -> int | None:
        """When the file was written, in ns."""
        try:
            return self._path(owner).stat().st_mtime_ns
        except OSError:
            return None  # absent as a rule

    def read(self, owner: str) -> str:
        """The text."""
        return self._path(owner).read_text()

    def write(self, owner: str, content: str) -> None:
        """Replace the file as a whole."""
        with full_disk_is_named(NOT_KEPT):
            write_atomically(self._path(owner), content.encode())

    def _path(self, owner: str) -> Path:
        return self._folder / f"{hashlib.sha256(owner.encode()).hexdigest()}.json"


class Table:
    """A row each.

    Args:
        database: Holds the table.
    """

    def __init__(self, database: Database) -> None:
        self._record: Record = open_record(database, SCHEMA, "what is ordinary")

    def version(self, owner: str) -> int | None:
        """Counts up."""
        found = self._record.execute("SELECT version FROM site WHERE owner = ?", (owner,))
        row = found.fetchone()
        return None if row is None else int(row[0])

    def read(self, owner: str) -> str:
        """The text."""
        found = self._record.execute("SELECT content FROM site WHERE owner = ?", (owner,))
        return str(found.fetchone()[0])

    def write(self, owner: str, content: str) -> None:
        """Replace the row."""
        with self._record.transaction(owner):
            self._record.execute(PUT, (owner, content))
