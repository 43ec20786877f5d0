"""The state that survives: velocity in memory, rebuilt from and kept in step with the journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.fraud.history import HISTORY_S, Report
from models.fraud.journal import Entry, Journal, Reported
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


@dataclass
class _Memory:
    """What is remembered of one owner, up to which numbers of the journal."""

    velocity: Velocity = field(default_factory=Velocity)
    newest_s: float | None = None
    reported: dict[str, Report] = field(default_factory=dict)
    payment_seq: int = 0
    report_seq: int = 0

    def accept(self, accepted: Accepted) -> None:
        """Let a payment count."""
        self.velocity.accept(accepted)
        at_s = accepted.payment.at_s
        self.newest_s = at_s if self.newest_s is None else max(at_s, self.newest_s)

    def learn(self, report: Reported) -> None:
        """Let a report count in place of an earlier one."""
        event_id = report.accepted.payment.event_id
        earlier = self.reported.pop(event_id, None)
        if earlier is not None:
            self.velocity.take_back(report.accepted, earlier)
        if report.fraud:
            self.reported[event_id] = self.velocity.report_fraud(report.accepted, report.at_s)


class State:
    """Accepts payments exactly once each, for several owners.

    Raises:
        CapabilityError: The journal cannot be read or written.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._memories: dict[str, _Memory] = {}
        newest_s = journal.newest_s()
        if newest_s is not None:
            journal.forget_before(newest_s - 2 * HISTORY_S)
        for owner in journal.owners():
            self._catch_up(owner)

    def record(self, owner: str, payments: Sequence[Payment]) -> list[Recorded | Clash]:
        """Take in payments in the given order; all are durable when this returns, or none is.

        Raises:
            CapabilityError: One of `NOT_RECORDED`; sent again, each counts once all the same.
        """
        fresh: list[Entry] = []
        if owner not in self._memories:
            self._catch_up(owner)  # which may take long: nobody else has to wait for it
        try:
            with self._journal.transaction(owner):
                memory = self._catch_up(owner)
                known = self._journal.find(owner, [each.event_id for each in payments])
                outcomes = [_one(owner, memory, each, known, fresh) for each in payments]
                if fresh:
                    self._journal.append(fresh)
                    memory.payment_seq = self._journal.last_payment(owner)
        except BaseException:
            if fresh:  # memory is ahead of the journal: rebuild at the next call
                self._memories.pop(owner, None)
            raise
        return outcomes

    def report(self, owner: str, event_id: str, *, fraud: bool, at_s: float, source: str) -> bool:
        """Keep what became known of a payment; False if no such payment is known."""
        with self._journal.transaction(owner):
            known = event_id in self._journal.find(owner, [event_id])
            if known:
                self._journal.report(owner, event_id, fraud, at_s, source)
        return known

    def newest_s(self, owner: str) -> float | None:
        """Event time of the owner's latest payment in memory."""
        memory = self._memories.get(owner)
        return None if memory is None else memory.newest_s

    @property
    def journal(self) -> Journal:
        """The record of everything accepted."""
        return self._journal

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _catch_up(self, owner: str) -> _Memory:
        """Apply what this or another replica wrote since the last look."""
        memory = self._memories.setdefault(owner, _Memory())
        for seq, accepted in self._journal.payments_after(owner, memory.payment_seq):
            memory.accept(accepted)
            memory.payment_seq = seq
        for report in self._journal.reports_after(owner, memory.report_seq):
            memory.learn(report)
            memory.report_seq = report.seq
        return memory


def _one(
    owner: str, memory: _Memory, payment: Payment, known: dict[str, Entry], fresh: list[Entry]
) -> Recorded | Clash:
    earlier = known.get(payment.event_id)
    if earlier is not None:
        if earlier.accepted.payment != payment:
            return Clash(payment.event_id)
        return Recorded(np.array(earlier.features, np.float32), duplicate=True)
    values, accepted = memory.velocity.features(payment)
    entry = Entry(owner, accepted, values)
    known[payment.event_id] = entry
    fresh.append(entry)
    memory.accept(accepted)
    return Recorded(np.array(values, np.float32), duplicate=False)
