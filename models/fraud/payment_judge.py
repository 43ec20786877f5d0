"""One payment from features to a verdict: rules, model, calibration, costs, reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.fraud.costs import CostPolicy, Decision
from models.fraud.features import NAMES
from models.fraud.outcomes import decided
from models.fraud.reasons import Reason, reasons_of
from models.fraud.rules import Fact, RuleTable
from models.fraud.schema import Memory, Transaction, Verdict
from models.fraud.scoring import Score, TransactionModel

PLAIN_FACTS = ("customer_id", "terminal_id", "device_id", "country", "channel", "merchant_category")
FACTS = frozenset((*PLAIN_FACTS, *NAMES))
"""What rules may ask for."""

HISTORY_DAYS, CUSTOMER_30D, TERMINAL_1D = (
    NAMES.index(name)
    for name in ("customer_history_days", "customer_count_30d", "terminal_count_1d")
)
COLD_DAYS = 7.0
NO_STATE = "the state cannot be written: judged by rules alone"
NO_MODEL = "the model is not available: judged by rules alone"
Row = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PaymentJudge:
    """Judges payments whose features are known.

    Attributes:
        model: Absent if its weights cannot be loaded.
        rules: Of the operator.
        policy: What mistakes cost.
    """

    model: TransactionModel | None
    rules: RuleTable
    policy: CostPolicy

    def judge(
        self, payments: Sequence[Transaction], rows: Sequence[Row | None], duplicate: Sequence[bool]
    ) -> list[Verdict]:
        """Verdicts in order; a row is `None` where the state could not be reached."""
        scores = self._scores(rows)
        return [self._one(*each) for each in zip(payments, rows, scores, duplicate, strict=True)]

    def _scores(self, rows: Sequence[Row | None]) -> list[Score | None]:
        if self.model is None:
            return [None] * len(rows)
        known = [row for row in rows if row is not None]
        scores = iter(self.model.scores(np.stack(known)) if known else ())
        return [None if row is None else next(scores) for row in rows]

    def _one(
        self, payment: Transaction, row: Row | None, score: Score | None, duplicate: bool
    ) -> Verdict:
        values = [] if row is None else row.tolist()
        hits = self.rules.hits(_facts(payment, values))
        loss = (
            None if score is None else self.policy.expected_loss(score.probability, payment.amount)
        )
        decision, by = decided(hits, loss, self.policy)
        degraded = () if score is not None else (NO_STATE if row is None else NO_MODEL,)
        return Verdict(
            event_id=payment.event_id,
            kind=payment.kind,
            decision=decision,
            probability=None if score is None else score.probability,
            score=None if score is None else score.margin,
            expected_loss=loss,
            reasons=() if score is None or row is None else self._reasons(decision, row, score),
            rules=hits,
            decided_by=by,
            memory=None if row is None else _memory(values),
            duplicate=duplicate,
            degraded=degraded,
        )

    def _reasons(self, decision: Decision, row: Row, score: Score) -> tuple[Reason, ...]:
        """Exact ones where a person will read them, fast ones for what is approved."""
        if decision == "approve" or self.model is None:
            return reasons_of(row.tolist(), score.contributions.tolist(), "path")
        return reasons_of(row.tolist(), self.model.shapley(row[None])[0].tolist(), "shapley")


def _facts(payment: Transaction, values: Sequence[float]) -> Mapping[str, Fact]:
    plain = {name: getattr(payment, name) for name in PLAIN_FACTS}
    return {"amount": payment.amount, **plain, **dict(zip(NAMES, values, strict=False))}


def _memory(values: Sequence[float]) -> Memory:
    days = values[HISTORY_DAYS]
    return Memory(
        customer_payments_30d=int(values[CUSTOMER_30D]),
        terminal_payments_1d=int(values[TERMINAL_1D]),
        history_days=round(days, 2),
        cold=days < COLD_DAYS,
    )
