"""The log of accepted payments and reports: what the state is rebuilt from.

A committed request survives the death of the process. Several replicas on one node may share a
file: each reads what the others wrote before it adds its own, within one exclusive transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.fraud.features import NAMES
from models.fraud.log_file import LogFile
from models.fraud.payments import Payment
from models.fraud.velocity import Accepted

SCHEMA = """
CREATE TABLE IF NOT EXISTS payment (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, event_id TEXT NOT NULL, at_s REAL NOT NULL,
    customer TEXT NOT NULL, terminal TEXT NOT NULL, cents INTEGER NOT NULL, device TEXT NOT NULL,
    country TEXT NOT NULL, permille INTEGER NOT NULL, features BLOB NOT NULL,
    UNIQUE (owner, event_id)
) STRICT;
CREATE TABLE IF NOT EXISTS report (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, event_id TEXT NOT NULL, fraud INTEGER NOT NULL,
    reported_at_s REAL NOT NULL, source TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS report_of ON report (owner, event_id);
"""
LABEL = (
    "(SELECT fraud FROM report r WHERE r.owner = p.owner AND r.event_id = p.event_id "
    "ORDER BY r.seq DESC LIMIT 1)"
)
LATEST = "SELECT features FROM payment WHERE owner = ? OR ? IS NULL ORDER BY seq DESC LIMIT ?"
MATURED = (
    f"SELECT at_s, owner, customer, cents, features, coalesce({LABEL}, 0) FROM payment p "  # noqa: S608  # constants
    "WHERE at_s <= ? ORDER BY seq DESC LIMIT ?"
)
COLUMNS = "event_id, at_s, customer, terminal, cents, device, country, permille"
INSERT = f"INSERT INTO payment (owner, {COLUMNS}, features) VALUES ({', '.join('?' * 10)})"  # noqa: S608  # constants
SINCE = f"SELECT seq, owner, {COLUMNS} FROM payment WHERE seq > ? ORDER BY seq"  # noqa: S608  # constants
FIND = f"SELECT {COLUMNS}, features FROM payment WHERE owner = ? AND event_id = ?"  # noqa: S608  # constants


class Entry(NamedTuple):
    """An accepted payment and the features it was judged by."""

    owner: str
    accepted: Accepted
    features: Sequence[float]


class Matured(NamedTuple):
    """A payment with its label; one that nobody reported is legitimate."""

    at_s: float
    party: str
    cents: int
    features: npt.NDArray[np.float32]
    fraud: bool


class Journal:
    """Appends and reads back.

    Args:
        path: Of the file; its folder is made.
        sync: Wait for the disk on every commit.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self._file = LogFile(path, SCHEMA, "the payments", sync=sync)
        self._db = self._file.db

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, one writer at a time.

        Raises:
            StorageFull: Nothing was written, for lack of room or because the file is not writable.
        """
        return self._file.transaction()

    def append(self, entries: Sequence[Entry]) -> None:
        """Add payments; within a transaction."""
        rows = [
            (
                e.owner,
                *e.accepted.payment,
                e.accepted.permille,
                np.array(e.features, np.float32).tobytes(),
            )
            for e in entries
        ]
        self._db.executemany(INSERT, rows)

    def payments_after(self, seq: int) -> Iterator[tuple[int, str, Accepted]]:
        """Payments added after a sequence number, with theirs and their owner."""
        for row in self._db.execute(SINCE, (seq,)):
            yield row[0], row[1], _accepted(row[2:])

    def newest_s(self) -> float | None:
        """Latest event time; `None` if nothing is on record."""
        latest: float | None = self._db.execute("SELECT max(at_s) FROM payment").fetchone()[0]
        return latest

    def last_payment(self) -> int:
        """Sequence number of the newest payment, 0 if there is none."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM payment").fetchone()[0])

    def find(self, owner: str, event_id: str) -> Entry | None:
        """An earlier payment of this owner."""
        row = self._db.execute(FIND, (owner, event_id)).fetchone()
        if row is None:
            return None
        return Entry(owner, _accepted(row[:8]), _features(row[8]).tolist())

    def report(self, owner: str, event_id: str, fraud: bool, at_s: float, source: str) -> None:
        """Add what became known of a payment; within a transaction."""
        self._db.execute(
            "INSERT INTO report (owner, event_id, fraud, reported_at_s, source) VALUES (?,?,?,?,?)",
            (owner, event_id, int(fraud), at_s, source),
        )

    def reports_after(self, seq: int) -> list[tuple[int, str, str, int, float]]:
        """Reports after a sequence number: theirs, owner, event, fraud or not, and when."""
        return self._db.execute(
            "SELECT seq, owner, event_id, fraud, reported_at_s FROM report "
            "WHERE seq > ? ORDER BY seq",
            (seq,),
        ).fetchall()

    def latest_features(self, owner: str | None, count: int) -> npt.NDArray[np.float32]:
        """Features of the latest payments, of everyone if no owner is given: `(N, features)`."""
        found = self._db.execute(LATEST, (owner, owner, count)).fetchall()
        return np.array([_features(row[0]) for row in found], np.float32)

    def matured(self, until_s: float, count: int) -> list[Matured]:
        """Payments whose label is known, up to an event time: the latest, newest first."""
        found = self._db.execute(MATURED, (until_s, count))
        return [
            Matured(at_s, f"{owner} {customer}", cents, _features(blob), bool(fraud))
            for at_s, owner, customer, cents, blob, fraud in found
        ]

    def forget_before(self, at_s: float) -> int:
        """Drop payments and reports older than a time; how many payments went."""
        with self.transaction():
            gone = self._db.execute("DELETE FROM payment WHERE at_s < ?", (at_s,)).rowcount
            self._db.execute("DELETE FROM report WHERE reported_at_s < ?", (at_s,))
        return gone

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _features(blob: bytes) -> npt.NDArray[np.float32]:
    """Features as they were recorded; those that came into use later are not known."""
    found = np.frombuffer(blob, np.float32)
    missing = len(NAMES) - len(found)
    return np.pad(found, (0, missing), constant_values=np.nan) if missing > 0 else found


def _accepted(row: Sequence[object]) -> Accepted:
    return Accepted(Payment(*row[:7]), int(row[7]))  # type: ignore[arg-type, call-overload]  # STRICT columns
