"""The log of accepted payments and reports: what the state is rebuilt from.

A committed request survives the death of the process. Several replicas may share a record: before
one adds payments of an owner it reads what the others added, and lets nobody add meanwhile.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.fraud.features import NAMES
from models.fraud.payments import Payment
from models.fraud.record import Place, open_record
from models.fraud.velocity import Accepted

SCHEMA = """
CREATE TABLE IF NOT EXISTS payment (
    seq {number}, owner TEXT NOT NULL, event_id TEXT NOT NULL, at_s {real} NOT NULL,
    customer TEXT NOT NULL, terminal TEXT NOT NULL, cents {integer} NOT NULL, device TEXT NOT NULL,
    country TEXT NOT NULL, permille {integer} NOT NULL, features {bytes} NOT NULL,
    UNIQUE (owner, event_id)
) {strict};
CREATE INDEX IF NOT EXISTS payment_order ON payment (owner, seq);
CREATE INDEX IF NOT EXISTS payment_time ON payment (at_s);
CREATE TABLE IF NOT EXISTS report (
    seq {number}, owner TEXT NOT NULL, event_id TEXT NOT NULL, fraud {integer} NOT NULL,
    reported_at_s {real} NOT NULL, source TEXT NOT NULL
) {strict};
CREATE INDEX IF NOT EXISTS report_of ON report (owner, event_id);
CREATE INDEX IF NOT EXISTS report_order ON report (owner, seq);
"""
LABEL = (
    "(SELECT fraud FROM report r WHERE r.owner = p.owner AND r.event_id = p.event_id "
    "ORDER BY r.seq DESC LIMIT 1)"
)
LATEST = "SELECT features FROM payment ORDER BY seq DESC LIMIT ?"
LATEST_OF = "SELECT features FROM payment WHERE owner = ? ORDER BY seq DESC LIMIT ?"
MATURED = (
    f"SELECT at_s, owner, customer, cents, features, coalesce({LABEL}, 0) FROM payment p "  # noqa: S608  # constants
    "WHERE at_s <= ? ORDER BY seq DESC LIMIT ?"
)
COLUMNS = "event_id, at_s, customer, terminal, cents, device, country, permille"
INSERT = f"INSERT INTO payment (owner, {COLUMNS}, features) VALUES ({', '.join('?' * 10)})"  # noqa: S608  # constants
SINCE = (
    f"SELECT seq, {COLUMNS} FROM payment WHERE owner = ? AND seq > ? "  # noqa: S608  # constants
    "ORDER BY seq LIMIT ?"
)
REPORTS_SINCE = (
    "SELECT r.seq, r.fraud, r.reported_at_s, p.event_id, p.at_s, p.customer, p.terminal, p.cents, "
    "p.device, p.country, p.permille FROM report r JOIN payment p ON p.owner = r.owner "
    "AND p.event_id = r.event_id WHERE r.owner = ? AND r.seq > ? ORDER BY r.seq"
)
FIND = f"SELECT {COLUMNS}, features FROM payment WHERE owner = ? AND event_id IN "  # noqa: S608  # constants
REPORT = "INSERT INTO report (owner, event_id, fraud, reported_at_s, source) VALUES (?, ?, ?, ?, ?)"
LAST = "SELECT coalesce(max(seq), 0) FROM payment WHERE owner = ?"
NEXT_OWNER = "SELECT min(owner) FROM payment WHERE owner > ?"
FORGET = "DELETE FROM payment WHERE seq IN (SELECT seq FROM payment WHERE at_s < ? LIMIT ?)"
PAGE = 5_000
"""Payments read or dropped at a time, so that no statement takes long."""


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


class Reported(NamedTuple):
    """What became known of a payment.

    Attributes:
        seq: Number of the report.
        fraud: Or that it was none after all.
        at_s: When it was reported.
        accepted: The payment.
    """

    seq: int
    fraud: bool
    at_s: float
    accepted: Accepted


class Journal:
    """Appends and reads back; every method raises what a `Record` raises.

    Args:
        place: Of the record; the folder of a file is made.
        sync: A file waits for the disk on every commit.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, place: Place, *, sync: bool = False) -> None:
        self._record = open_record(place, SCHEMA, "the payments", sync=sync)

    def transaction(self, owner: str) -> AbstractContextManager[None]:
        """All or nothing, one writer of an owner's payments at a time."""
        return self._record.transaction(owner)

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
        self._record.executemany(INSERT, rows)

    def owners(self) -> list[str]:
        """Everyone whose payments are on record."""
        found = [""]
        while (owner := self._record.execute(NEXT_OWNER, (found[-1],)).fetchone()[0]) is not None:
            found.append(owner)
        return found[1:]

    def payments_after(self, owner: str, seq: int) -> Iterator[tuple[int, Accepted]]:
        """An owner's payments added after a sequence number, with theirs."""
        while rows := self._record.execute(SINCE, (owner, seq, PAGE)).fetchall():
            for seq, *row in rows:
                yield seq, _accepted(row)
            if len(rows) < PAGE:
                return

    def newest_s(self) -> float | None:
        """Latest event time; `None` if nothing is on record."""
        latest: float | None = self._record.execute("SELECT max(at_s) FROM payment").fetchone()[0]
        return latest

    def last_payment(self, owner: str) -> int:
        """Sequence number of an owner's newest payment, 0 if there is none."""
        return int(self._record.execute(LAST, (owner,)).fetchone()[0])

    def find(self, owner: str, event_ids: Sequence[str]) -> dict[str, Entry]:
        """Which of these payments of an owner are on record, by their ids."""
        if not event_ids:
            return {}
        asked = f"{FIND}({', '.join('?' * len(event_ids))})"
        rows = self._record.execute(asked, (owner, *event_ids)).fetchall()
        return {
            row[0]: Entry(owner, _accepted(row[:8]), _features(row[8]).tolist()) for row in rows
        }

    def report(self, owner: str, event_id: str, fraud: bool, at_s: float, source: str) -> None:
        """Add what became known of a payment; within a transaction."""
        self._record.execute(REPORT, (owner, event_id, int(fraud), at_s, source))

    def reports_after(self, owner: str, seq: int) -> list[Reported]:
        """Reports on an owner's payments after a sequence number."""
        rows = self._record.execute(REPORTS_SINCE, (owner, seq)).fetchall()
        return [
            Reported(number, bool(fraud), at_s, _accepted(row))
            for number, fraud, at_s, *row in rows
        ]

    def latest_features(self, owner: str | None, count: int) -> npt.NDArray[np.float32]:
        """Features of the latest payments, of everyone if no owner is given: `(N, features)`."""
        asked = (LATEST, (count,)) if owner is None else (LATEST_OF, (owner, count))
        found = self._record.execute(*asked).fetchall()
        return np.array([_features(row[0]) for row in found], np.float32)

    def matured(self, until_s: float, count: int) -> list[Matured]:
        """Payments whose label is known, up to an event time: the latest, newest first."""
        found = self._record.execute(MATURED, (until_s, count))
        return [
            Matured(at_s, f"{owner} {customer}", cents, _features(blob), bool(fraud))
            for at_s, owner, customer, cents, blob, fraud in found
        ]

    def forget_before(self, at_s: float) -> int:
        """Drop payments and reports older than a time; how many payments went."""
        gone, some = 0, PAGE
        while some == PAGE:
            some = self._record.execute(FORGET, (at_s, PAGE)).rowcount
            gone += some
        self._record.execute("DELETE FROM report WHERE reported_at_s < ?", (at_s,))
        return gone

    def close(self) -> None:
        """Release the record."""
        self._record.close()


def _features(blob: bytes) -> npt.NDArray[np.float32]:
    """Features as they were recorded; those that came into use later are not known."""
    found = np.frombuffer(blob, np.float32)
    missing = len(NAMES) - len(found)
    return np.pad(found, (0, missing), constant_values=np.nan) if missing > 0 else found


def _accepted(row: Sequence[object]) -> Accepted:
    return Accepted(Payment(*row[:7]), int(row[7]))  # type: ignore[arg-type, call-overload]  # STRICT columns
