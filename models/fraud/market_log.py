"""What is remembered of markets on record: chunks of trades by pair, and windows by their id."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple

from models.fraud.record import Place, open_record
from models.fraud.schema import Verdict

KEPT = 2_000
"""Windows of an owner that are answered again."""
IDLE_S = 2 * 86_400.0
"""A pair without windows for so long has no memory that counts any more."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS chunk (
    owner TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
    number {integer} NOT NULL, buy {real} NOT NULL, sell {real} NOT NULL, rush {real} NOT NULL,
    largest {real} NOT NULL, last {real} NOT NULL, highest {real} NOT NULL,
    PRIMARY KEY (owner, venue, symbol, number)
) {clustered};
CREATE TABLE IF NOT EXISTS pair (
    owner TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
    version {integer} NOT NULL, written_s {real} NOT NULL, PRIMARY KEY (owner, venue, symbol)
) {clustered};
CREATE TABLE IF NOT EXISTS answer (
    seq {number}, owner TEXT NOT NULL, event_id TEXT NOT NULL,
    mark {bytes} NOT NULL, verdict TEXT NOT NULL, UNIQUE (owner, event_id)
) {strict};
CREATE INDEX IF NOT EXISTS answer_of ON answer (owner, seq);
"""
OF_PAIR = "owner = ? AND venue = ? AND symbol = ?"
CHUNKS = f"SELECT number, buy, sell, rush, largest, last, highest FROM chunk WHERE {OF_PAIR}"  # noqa: S608  # constants
PUT_CHUNK = """
INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, venue, symbol, number) DO UPDATE SET
    buy = excluded.buy, sell = excluded.sell, rush = excluded.rush, largest = excluded.largest,
    last = excluded.last, highest = excluded.highest
"""
OLD_CHUNKS = f"DELETE FROM chunk WHERE {OF_PAIR} AND number < ?"  # noqa: S608  # constants
VERSION = f"SELECT version FROM pair WHERE {OF_PAIR}"  # noqa: S608  # constants
PUT_PAIR = """
INSERT INTO pair VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner, venue, symbol) DO UPDATE SET
    version = excluded.version, written_s = excluded.written_s
"""
OLD_PAIRS = """
DELETE FROM chunk WHERE (owner, venue, symbol) IN
    (SELECT owner, venue, symbol FROM pair WHERE written_s < ?)
"""
ANSWER = "SELECT mark, verdict FROM answer WHERE owner = ? AND event_id = ?"
PUT_ANSWER = "INSERT INTO answer (owner, event_id, mark, verdict) VALUES (?, ?, ?, ?)"
OLD_ANSWERS = """
DELETE FROM answer WHERE owner = ? AND seq <=
    (SELECT seq FROM answer WHERE owner = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)
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
    """Reads and writes, within its transactions; every method raises what a `Record` raises.

    Args:
        place: Of the record; `None` keeps everything in memory.
        now_s: Pairs that have been idle for days are forgotten.
    """

    def __init__(self, place: Place, now_s: float) -> None:
        self._record = open_record(place, SCHEMA, "the windows")
        with self.transaction(""):
            self._record.execute(OLD_PAIRS, (now_s - IDLE_S,))
            self._record.execute("DELETE FROM pair WHERE written_s < ?", (now_s - IDLE_S,))

    def transaction(self, owner: str) -> AbstractContextManager[None]:
        """All or nothing, one writer of an owner's windows at a time."""
        return self._record.transaction(owner)

    def version(self, pair: Pair) -> int:
        """Grows with every window of a pair; 0 where there was none."""
        found = self._record.execute(VERSION, pair).fetchone()
        return 0 if found is None else int(found[0])

    def chunks(self, pair: Pair) -> dict[int, list[float]]:
        """Every chunk of a pair by its number."""
        return {number: values for number, *values in self._record.execute(CHUNKS, pair)}

    def write(
        self, pair: Pair, version: int, chunks: Iterable[Chunk], oldest: int, now_s: float
    ) -> None:
        """Replace chunks of a pair, and forget those before the oldest."""
        self._record.executemany(PUT_CHUNK, [(*pair, number, *values) for number, values in chunks])
        self._record.execute(OLD_CHUNKS, (*pair, oldest))
        self._record.execute(PUT_PAIR, (*pair, version, now_s))

    def answered(self, owner: str, event_id: str) -> Answered | None:
        """How a window was answered, if it is known."""
        found = self._record.execute(ANSWER, (owner, event_id)).fetchone()
        if found is None:
            return None
        return Answered(found[0], Verdict.model_validate_json(found[1]))

    def answer(self, owner: str, event_id: str, given: Answered) -> None:
        """Remember an answer; the owner's oldest ones are forgotten."""
        row = owner, event_id, given.mark, given.verdict.model_dump_json()
        self._record.execute(PUT_ANSWER, row)
        self._record.execute(OLD_ANSWERS, (owner, owner, KEPT))

    def close(self) -> None:
        """Release the record."""
        self._record.close()
