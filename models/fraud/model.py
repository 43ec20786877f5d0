"""The fraud capability: events are remembered, scored, weighed and explained."""

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import Field, model_validator

from models.core.capability import ModelCard, Run, Setup, Value
from models.core.errors import ModelUnavailable, StorageFull
from models.fraud.costs import CostPolicy
from models.fraud.journal import Journal
from models.fraud.payment_judge import FACTS, NO_STATE, PaymentJudge, Row
from models.fraud.payments import Payment
from models.fraud.rules import RuleTable
from models.fraud.schema import (
    Event,
    Feedback,
    FraudRequest,
    FraudResult,
    ModelStamp,
    Noted,
    Refusal,
    Transaction,
    Unreadable,
    Verdict,
)
from models.fraud.scoring import WEIGHTS, TransactionModel
from models.fraud.state import Clash, State

CHUNK = 500
"""Events taken in between two looks at whether the caller is still there."""
AHEAD_S = 3_600.0

TOO_EARLY = Refusal(
    code="invalid-input", detail="at: more than an hour ahead of this machine's clock"
)
NO_STATE_FEEDBACK = "the state cannot be opened, so feedback cannot be kept; send it again later"

Answer = Verdict | Noted | Refusal


class FraudOptions(Value):
    """The capability's settings, `args.options.fraud` of the configuration.

    Attributes:
        rules: Conditions that decide beside the model.
        costs: What mistakes cost.
        weights: Folder of weights of your own.
        state: File of the accepted payments; in the data folder if absent.
        sync: Wait for the disk with every answer, to survive power cuts too.
    """

    rules: RuleTable = RuleTable()
    costs: CostPolicy = CostPolicy()
    weights: Path = WEIGHTS
    state: Path | None = None
    sync: bool = Field(False)

    @model_validator(mode="after")
    def _facts_exist(self) -> "FraudOptions":
        self.rules.check_facts(FACTS)
        return self


class FraudModel:
    """Judges events, one or many, and counts each once."""

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.time) -> None:
        options = FraudOptions.model_validate(setup.options)
        self._clock = clock
        self._why_no_model = ""
        self._judge = PaymentJudge(self._load(options.weights), options.rules, options.costs)
        self._path = options.state or setup.data_dir / "payments.sqlite"
        self._sync = options.sync
        self._state: State | None = None
        self._why_no_state = ""
        self._open()

    def cards(self) -> tuple[ModelCard, ...]:
        """The payment model, and what is missing."""
        model = self._judge.model
        return (
            ModelCard(
                name=TransactionModel.name,
                version=model.version if model else "none",
                weights_sha256=model.sha256 if model else None,
                available=model is not None,
                reason=" ".join(filter(None, (self._why_no_model, self._why_no_state))) or None,
            ),
        )

    def run(self, request: FraudRequest, run: Run) -> FraudResult:
        """Judge every event of a request, in its order.

        A caller that leaves early may have some events counted; sending them again counts none
        twice.

        Raises:
            Cancelled: Nobody waits for the answer any more.
        """
        results: list[Answer] = []
        for start in range(0, len(request.events), CHUNK):
            run.check()
            results += self._chunk(request.events[start : start + CHUNK], run.owner)
            run.progress(min(1.0, (start + CHUNK) / len(request.events)), "judge")
        model = self._judge.model
        stamps = {}
        if model is not None:
            stamp = ModelStamp(name=model.name, version=model.version, sha256=model.sha256)
            stamps["transaction"] = stamp
        return FraudResult(
            results=tuple(results), models=stamps, rules_version=self._judge.rules.version
        )

    def close(self) -> None:
        """Release the file of the state."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def _chunk(self, events: Sequence[Event | Unreadable], owner: str) -> list[Answer]:
        """Answers in order: payments in a row together, so that feedback counts for later ones."""
        answers: list[Answer] = []
        for kind, group in groupby(events, type):
            if kind is Transaction:
                answers += self._payments([e for e in group if isinstance(e, Transaction)], owner)
            else:
                answers += [self._other(event, owner) for event in group]
        return answers

    def _payments(self, payments: Sequence[Transaction], owner: str) -> list[Answer]:
        limit_s = self._clock() + AHEAD_S
        timely = [payment for payment in payments if payment.at.timestamp() <= limit_s]
        judged = iter(self._record_and_judge(timely, owner))
        return [
            next(judged) if payment.at.timestamp() <= limit_s else TOO_EARLY for payment in payments
        ]

    def _other(self, event: Event | Unreadable, owner: str) -> Answer:
        if isinstance(event, Feedback):
            return self._note(event, owner)
        assert isinstance(event, Unreadable)  # noqa: S101  # payments are judged together
        return Refusal(code="invalid-input", detail=event.detail)

    def _note(self, feedback: Feedback, owner: str) -> Answer:
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
        except StorageFull as error:
            return Refusal(code="unavailable", detail=error.detail)
        if known:
            return Noted(event_id=feedback.event_id)
        return Refusal(
            code="unknown-event",
            detail=f"no payment {feedback.event_id!r} is on record; payments are kept 180 days",
        )

    def _record_and_judge(self, payments: Sequence[Transaction], owner: str) -> list[Answer]:
        rows, duplicate, clashes = self._record(payments, owner)
        verdicts: list[Answer] = list(self._judge.judge(payments, rows, duplicate))
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
        except StorageFull as error:
            self._why_no_state = f"{NO_STATE}: {error.detail}"
            return nothing, [False] * len(payments), []
        self._why_no_state = ""
        rows = [None if isinstance(each, Clash) else each.values for each in outcomes]
        duplicate = [not isinstance(each, Clash) and each.duplicate for each in outcomes]
        clashes = [place for place, each in enumerate(outcomes) if isinstance(each, Clash)]
        return rows, duplicate, clashes

    def _load(self, folder: Path) -> TransactionModel | None:
        try:
            return TransactionModel.load(folder)
        except ModelUnavailable as error:
            self._why_no_model = error.detail
            return None

    def _open(self) -> None:
        try:
            self._state = State(Journal(self._path, sync=self._sync))
        except (ModelUnavailable, StorageFull) as error:
            self._why_no_state = f"{NO_STATE}: {error.detail}"


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
