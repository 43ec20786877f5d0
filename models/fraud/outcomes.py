"""From hits, probability and costs to a decision: the same for every kind of event."""

from typing import Literal, NamedTuple

from pydantic import Field

from models.fraud.costs import CostPolicy, Decision, ExpectedLoss
from models.fraud.rules import RuleHit, forced

DecidedBy = Literal["rule", "model", "degraded"]


class IncidentCosts(CostPolicy):
    """What mistakes cost where no amount tells.

    Attributes:
        missed: An attack or a manipulation that is approved.
    """

    missed: float = Field(200.0, ge=0)

    def of_incident(self, probability: float) -> ExpectedLoss:
        """Average cost of each decision."""
        return self.expected_loss(probability, self.missed)


class Outcome(NamedTuple):
    """A decision and what made it."""

    decision: Decision
    by: DecidedBy


def decided(
    hits: tuple[RuleHit, ...],
    loss: ExpectedLoss | None,
    policy: CostPolicy,
    *,
    suspicious: bool = False,
) -> Outcome:
    """Weigh an event.

    Args:
        hits: Rules that applied.
        loss: Of each decision; absent where model or state are missing, which means review.
        policy: Chooses by loss.
        suspicious: Never approve without a rule that says so.
    """
    action = forced(hits)
    if action is not None:
        return Outcome(action, "rule")
    decision = "review" if loss is None else policy.decide(loss)
    if decision == "approve" and (hits or suspicious):
        decision = "review"
    return Outcome(decision, "degraded" if loss is None else "model")
