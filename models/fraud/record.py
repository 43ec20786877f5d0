"""Where the replicas write down what they accept: a file of one machine, or a database of several.

The statements of a record are plain SQL that SQLite and PostgreSQL read alike, with `?` for values;
its schema names the types that differ in braces.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from models.core.errors import ModelUnavailable, StorageFull, UpstreamUnavailable
from models.fraud.log_file import LogFile

NOT_RECORDED: Final = (ModelUnavailable, StorageFull, UpstreamUnavailable)
"""What a record raises that cannot be reached, read or written."""


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 - of the driver
        """The next row, `None` after the last one."""
        ...

    def fetchall(self) -> list[Any]:
        """Every row that is left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""
        ...


class Record(Protocol):
    """Tables that replicas write to in turn."""

    def transaction(self, key: str) -> AbstractContextManager[None]:
        """All or nothing, one writer of a key at a time.

        Args:
            key: Whose rows are written; other keys may be written meanwhile.

        Raises:
            CapabilityError: One of `NOT_RECORDED`; as a rule nothing was written, but a connection
                that is lost while it commits leaves that open.
        """
        ...

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement, in the open transaction if there is one.

        Raises:
            CapabilityError: One of `NOT_RECORDED`.
        """
        ...

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each row.

        Raises:
            CapabilityError: One of `NOT_RECORDED`.
        """
        ...

    def close(self) -> None:
        """Release the file or the connection."""
        ...


class Database(Protocol):
    """A database that several machines reach."""

    def record(self, schema: str, what: str) -> Record:
        """Its tables, made when they are first used."""
        ...


Place: TypeAlias = Path | Database | None
"""A file, a database, or this process's memory."""


def open_record(place: Place, schema: str, what: str, *, sync: bool = False) -> Record:
    """Open or prepare tables.

    Args:
        place: Where they are.
        schema: Statements that make what is missing.
        what: Is recorded, for messages.
        sync: A file waits for the disk on every commit; a database always does.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """
    if place is None or isinstance(place, Path):
        return LogFile(place, schema, what, sync=sync)
    return place.record(schema, what)
