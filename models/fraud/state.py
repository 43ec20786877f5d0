"""The state that survives: velocity in memory, rebuilt from and kept in step with the journal."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.fraud.history import HISTORY_S, Report
from models.fraud.journal import Entry, Journal
from models.fraud.payments import Payment
from models.fraud.velocity import Accepted, Velocity

Row = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recorded:
    """A payment that is part of the state.

    Attributes:
        values: Its features as they were when it was first accepted.
        duplicate: It had been accepted before.
    """

    values: Row
    duplicate: bool


@dataclass(frozen=True)
class Clash:
    """A payment whose id belongs to another one."""

    event_id: str


class State:
    """Accepts payments exactly once each, for several owners."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._payment_seq = self._report_seq = 0
        self._forget()
        newest_s = journal.newest_s()
        if newest_s is not None:
            journal.forget_before(newest_s - 2 * HISTORY_S)
        with journal.transaction():
            self._catch_up()

    def record(self, owner: str, payments: Sequence[Payment]) -> list[Recorded | Clash]:
        """Take in payments in the given order; all are durable when this returns, or none is.

        Raises:
            StorageFull: None was taken in.
        """
        fresh: dict[str, Entry] = {}
        try:
            with self._journal.transaction():
                self._catch_up()
                outcomes = [self._one(owner, payment, fresh) for payment in payments]
                self._journal.append(list(fresh.values()))
                self._payment_seq = self._journal.last_payment()
        except BaseException:
            self._forget()  # memory is ahead of the journal: rebuild at the next call
            raise
        return outcomes

    def report(self, owner: str, event_id: str, *, fraud: bool, at_s: float, source: str) -> bool:
        """Keep what became known of a payment; False if no such payment is known."""
        with self._journal.transaction():
            known = self._journal.find(owner, event_id) is not None
            if known:
                self._journal.report(owner, event_id, fraud, at_s, source)
        return known

    def newest_s(self, owner: str) -> float | None:
        """Event time of the owner's latest payment in memory."""
        return self._newest.get(owner)

    @property
    def journal(self) -> Journal:
        """The record of everything accepted."""
        return self._journal

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _one(self, owner: str, payment: Payment, fresh: dict[str, Entry]) -> Recorded | Clash:
        earlier = fresh.get(payment.event_id) or self._journal.find(owner, payment.event_id)
        if earlier is not None:
            if earlier.accepted.payment != payment:
                return Clash(payment.event_id)
            return Recorded(np.array(earlier.features, np.float32), duplicate=True)
        velocity = self._owners[owner]
        values, accepted = velocity.features(payment)
        self._accept(owner, accepted)
        fresh[payment.event_id] = Entry(owner, accepted, values)
        return Recorded(np.array(values, np.float32), duplicate=False)

    def _catch_up(self) -> None:
        """Apply what this or another replica wrote since the last look."""
        for seq, owner, accepted in self._journal.payments_after(self._payment_seq):
            self._accept(owner, accepted)
            self._payment_seq = seq
        for seq, owner, event_id, fraud, at_s in self._journal.reports_after(self._report_seq):
            self._learn(owner, event_id, bool(fraud), at_s)
            self._report_seq = seq

    def _accept(self, owner: str, accepted: Accepted) -> None:
        self._owners[owner].accept(accepted)
        at_s = accepted.payment.at_s
        self._newest[owner] = max(at_s, self._newest.get(owner, at_s))

    def _learn(self, owner: str, event_id: str, fraud: bool, at_s: float) -> None:
        entry, key = self._journal.find(owner, event_id), (owner, event_id)
        if entry is None:
            return
        earlier = self._reported.pop(key, None)
        if earlier is not None:
            self._owners[owner].take_back(entry.accepted, earlier)
        if fraud:
            self._reported[key] = self._owners[owner].report_fraud(entry.accepted, at_s)

    def _forget(self) -> None:
        self._owners: defaultdict[str, Velocity] = defaultdict(Velocity)
        self._newest: dict[str, float] = {}
        self._reported: dict[tuple[str, str], Report] = {}
        self._payment_seq = self._report_seq = 0
