"""Payments and what became known of them: taken in exactly once, then judged."""

from collections.abc import Callable, Sequence

from models.fraud.journal import Journal
from models.fraud.payment_judge import NO_STATE, PaymentJudge, Row
from models.fraud.payments import Payment
from models.fraud.record import NOT_RECORDED, Place
from models.fraud.schema import Feedback, Noted, Refusal, Transaction, Verdict
from models.fraud.state import Clash, State

AHEAD_S = 3_600.0
TOO_EARLY = Refusal(
    code="invalid-input", detail="at: more than an hour ahead of this machine's clock"
)
NO_STATE_FEEDBACK = "the state cannot be opened, so feedback cannot be kept; send it again later"


class PaymentDesk:
    """The state of payments with the judge in front of it.

    Args:
        judge: Of payments whose features are known.
        place: Record of the accepted payments.
        sync: A file waits for the disk with every answer.
        clock: Seconds since 1970.
    """

    def __init__(
        self, judge: PaymentJudge, place: Place, clock: Callable[[], float], *, sync: bool
    ) -> None:
        self.judge = judge
        self.why_no_state = ""
        self._place, self._sync, self._clock = place, sync, clock
        self._state: State | None = None
        self._open()

    @property
    def journal(self) -> Journal | None:
        """The record of payments, if it can be opened."""
        return None if self._state is None else self._state.journal

    def newest_s(self, owner: str) -> float | None:
        """Event time of this owner's latest payment."""
        return None if self._state is None else self._state.newest_s(owner)

    def answer(self, payments: Sequence[Transaction], owner: str) -> list[Verdict | Refusal]:
        """Take payments in and judge them, in order."""
        limit_s = self._clock() + AHEAD_S
        timely = [payment for payment in payments if payment.at.timestamp() <= limit_s]
        judged = iter(self._record_and_judge(timely, owner))
        return [
            next(judged) if payment.at.timestamp() <= limit_s else TOO_EARLY for payment in payments
        ]

    def note(self, feedback: Feedback, owner: str) -> Noted | Refusal:
        """Keep what became known of a payment."""
        if self._state is None:
            return Refusal(code="unavailable", detail=NO_STATE_FEEDBACK)
        try:
            known = self._state.report(
                owner,
                feedback.event_id,
                fraud=feedback.fraud,
                at_s=feedback.reported_at.timestamp(),
                source=feedback.source,
            )
        except NOT_RECORDED as error:
            return Refusal(code="unavailable", detail=error.detail)
        if known:
            return Noted(event_id=feedback.event_id)
        return Refusal(
            code="unknown-event",
            detail=f"no payment {feedback.event_id!r} is on record; payments are kept 180 days",
        )

    def close(self) -> None:
        """Release the record of the state."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def _record_and_judge(
        self, payments: Sequence[Transaction], owner: str
    ) -> list[Verdict | Refusal]:
        rows, duplicate, clashes = self._record(payments, owner)
        verdicts: list[Verdict | Refusal] = list(self.judge.judge(payments, rows, duplicate))
        for place in clashes:
            verdicts[place] = Refusal(
                code="conflict",
                detail=f"event_id {payments[place].event_id!r} belongs to another payment; "
                "give each payment an id of its own",
            )
        return verdicts

    def _record(
        self, payments: Sequence[Transaction], owner: str
    ) -> tuple[list[Row | None], list[bool], list[int]]:
        """Features, which are repeated, and which use the id of another payment."""
        nothing: list[Row | None] = [None] * len(payments)
        if self._state is None:
            self._open()
        if self._state is None:
            return nothing, [False] * len(payments), []
        try:
            outcomes = self._state.record(owner, [_payment(each) for each in payments])
        except NOT_RECORDED as error:
            self.why_no_state = f"{NO_STATE}: {error.detail}"
            return nothing, [False] * len(payments), []
        self.why_no_state = ""
        rows = [None if isinstance(each, Clash) else each.values for each in outcomes]
        duplicate = [not isinstance(each, Clash) and each.duplicate for each in outcomes]
        clashes = [place for place, each in enumerate(outcomes) if isinstance(each, Clash)]
        return rows, duplicate, clashes

    def _open(self) -> None:
        try:
            self._state = State(Journal(self._place, sync=self._sync))
        except NOT_RECORDED as error:
            self.why_no_state = f"{NO_STATE}: {error.detail}"


def _payment(event: Transaction) -> Payment:
    return Payment(
        event.event_id,
        event.at.timestamp(),
        event.customer_id,
        event.terminal_id,
        max(1, round(100 * event.amount)),
        event.device_id or "",
        event.country or "",
    )
