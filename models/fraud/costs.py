"""The decision that costs least on average, given a probability and an amount."""

from typing import Literal

from pydantic import Field

from models.core.capability import Value

Decision = Literal["approve", "review", "block"]


class ExpectedLoss(Value):
    """What each decision costs on average, in the currency of the payment."""

    approve: float
    review: float
    block: float


class CostPolicy(Value):
    """What mistakes cost.

    Attributes:
        false_block: A legitimate payment that is blocked.
        review: One review.
        review_catches: Share of frauds that a review recognises.
    """

    false_block: float = Field(10.0, ge=0)
    review: float = Field(2.0, ge=0)
    review_catches: float = Field(0.9, ge=0, le=1)

    def expected_loss(self, probability: float, amount: float) -> ExpectedLoss:
        """Average cost of each decision."""
        at_stake = probability * amount
        return ExpectedLoss(
            approve=at_stake,
            review=self.review + (1 - self.review_catches) * at_stake,
            block=(1 - probability) * self.false_block,
        )

    def decide(self, loss: ExpectedLoss) -> Decision:
        """The cheapest decision; of equals the mildest."""
        if loss.approve <= min(loss.review, loss.block):
            return "approve"
        return "review" if loss.review <= loss.block else "block"
