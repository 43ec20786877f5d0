"""What is remembered of markets on record: chunks of trades by pair, and windows by their id."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from models.fraud.log_file import LogFile
from models.fraud.schema import Verdict

KEPT = 2_000
"""Windows of an owner that are answered again."""
IDLE_S = 2 * 86_400.0
"""A pair without windows for so long has no memory that counts any more."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS chunk (
    owner TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL, number INTEGER NOT NULL,
    buy REAL NOT NULL, sell REAL NOT NULL, rush REAL NOT NULL, largest REAL NOT NULL,
    last REAL NOT NULL, highest REAL NOT NULL,
    PRIMARY KEY (owner, venue, symbol, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pair (
    owner TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL, version INTEGER NOT NULL,
    written_s REAL NOT NULL, PRIMARY KEY (owner, venue, symbol)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answer (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, event_id TEXT NOT NULL,
    mark BLOB NOT NULL, verdict TEXT NOT NULL, UNIQUE (owner, event_id)
) STRICT;
CREATE INDEX IF NOT EXISTS answer_of ON answer (owner, seq);
"""
OF_PAIR = "owner = ? AND venue = ? AND symbol = ?"
CHUNKS = f"SELECT number, buy, sell, rush, largest, last, highest FROM chunk WHERE {OF_PAIR}"  # noqa: S608  # constants
PUT_CHUNK = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
OLD_CHUNKS = f"DELETE FROM chunk WHERE {OF_PAIR} AND number < ?"  # noqa: S608  # constants
VERSION = f"SELECT version FROM pair WHERE {OF_PAIR}"  # noqa: S608  # constants
PUT_PAIR = "INSERT OR REPLACE INTO pair VALUES (?, ?, ?, ?, ?)"
OLD_PAIRS = """
DELETE FROM chunk WHERE (owner, venue, symbol) IN
    (SELECT owner, venue, symbol FROM pair WHERE written_s < ?1)
"""
ANSWER = "SELECT mark, verdict FROM answer WHERE owner = ? AND event_id = ?"
PUT_ANSWER = "INSERT INTO answer (owner, event_id, mark, verdict) VALUES (?, ?, ?, ?)"
OLD_ANSWERS = """
DELETE FROM answer WHERE owner = ?1 AND seq <=
    (SELECT seq FROM answer WHERE owner = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)
"""

Chunk = tuple[int, list[float]]


class Pair(NamedTuple):
    """Whose market."""

    owner: str
    venue: str
    symbol: str


class Answered(NamedTuple):
    """A window that was judged.

    Attributes:
        mark: Tells it from another window with its id.
        verdict: That was given.
    """

    mark: bytes
    verdict: Verdict


class MarketLog:
    """Reads and writes, within its transactions.

    Args:
        path: Of the file; `None` keeps everything in memory.
        now_s: Pairs that have been idle for days are forgotten.

    Raises:
        ModelUnavailable: The file cannot be opened.
        StorageFull: It cannot be written.
    """

    def __init__(self, path: Path | None, now_s: float) -> None:
        self._file = LogFile(path, SCHEMA, "the windows")
        self._db = self._file.db
        with self.transaction():
            self._db.execute(OLD_PAIRS, (now_s - IDLE_S,))
            self._db.execute("DELETE FROM pair WHERE written_s < ?", (now_s - IDLE_S,))

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, one writer at a time.

        Raises:
            StorageFull: Nothing was written.
        """
        return self._file.transaction()

    def version(self, pair: Pair) -> int:
        """Grows with every window of a pair; 0 where there was none."""
        found = self._db.execute(VERSION, pair).fetchone()
        return 0 if found is None else int(found[0])

    def chunks(self, pair: Pair) -> dict[int, list[float]]:
        """Every chunk of a pair by its number."""
        return {number: values for number, *values in self._db.execute(CHUNKS, pair)}

    def write(
        self, pair: Pair, version: int, chunks: Iterable[Chunk], oldest: int, now_s: float
    ) -> None:
        """Replace chunks of a pair, and forget those before the oldest."""
        self._db.executemany(PUT_CHUNK, [(*pair, number, *values) for number, values in chunks])
        self._db.execute(OLD_CHUNKS, (*pair, oldest))
        self._db.execute(PUT_PAIR, (*pair, version, now_s))

    def answered(self, owner: str, event_id: str) -> Answered | None:
        """How a window was answered, if it is known."""
        found = self._db.execute(ANSWER, (owner, event_id)).fetchone()
        if found is None:
            return None
        return Answered(found[0], Verdict.model_validate_json(found[1]))

    def answer(self, owner: str, event_id: str, given: Answered) -> None:
        """Remember an answer; the owner's oldest ones are forgotten."""
        row = owner, event_id, given.mark, given.verdict.model_dump_json()
        self._db.execute(PUT_ANSWER, row)
        self._db.execute(OLD_ANSWERS, (owner, KEPT))

    def close(self) -> None:
        """Release the file."""
        self._file.close()
