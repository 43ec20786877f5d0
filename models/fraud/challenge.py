"""Champion against challenger on payments whose labels are known: better, or better by chance.

Both score the very features that decisions were made on. Whole customers are drawn again and again
(Efron 1979, doi:10.1214/aos/1176344552); the challenger wins if the interval of its gain lies above
zero both in average precision and in money.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from models.core.capability import Value
from models.fraud.calibration import expected_calibration_error
from models.fraud.costs import CostPolicy

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

DRAWS = 400
LOW, HIGH = 2.5, 97.5
CALIBRATION_SLACK = 0.002


class Judged(NamedTuple):
    """What one model says of the payments: `(N,)` each."""

    margins: Floats
    probabilities: Floats


class Gain(Value):
    """How much better the challenger is, with the 95 % interval."""

    champion: float
    challenger: float
    gain: float
    low: float
    high: float


class Comparison(Value):
    """Two models on the same payments."""

    payments: int
    frauds: int
    days: float
    average_precision: Gain
    loss: Gain = Field(description="money lost, the same for both but for their decisions")
    champion_calibration_error: float
    challenger_calibration_error: float
    wins: bool


def compare(
    champion: Judged,
    challenger: Judged,
    fraud: Labels,
    amounts: Floats,
    parties: npt.NDArray[np.int64],
    policy: CostPolicy,
    *,
    days: float,
    check: Callable[[], None],
) -> Comparison:
    """Compare two models.

    Args:
        champion: What the present model says.
        challenger: What the new one says.
        fraud: `(N,)`.
        amounts: `(N,)`.
        parties: `(N,)`, a number for each customer, from 0.
        policy: Decides.
        days: That the payments span.
        check: Called before each draw; may raise.
    """
    both = champion, challenger
    losses = [realised_loss(each.probabilities, amounts, fraud, policy) for each in both]
    orders = [np.argsort(-each.margins, kind="stable") for each in both]
    whole = np.ones(len(fraud))
    points = [average_precision(order, fraud, whole) for order in orders]
    random = np.random.default_rng(0)
    count = int(parties.max()) + 1
    precision_gains, money_gains = [], []
    for _ in range(DRAWS):
        check()
        drawn = np.bincount(random.integers(0, count, count), minlength=count)[parties]
        weights = drawn.astype(float)
        if weights[fraud].sum():
            one, other = (average_precision(order, fraud, weights) for order in orders)
            precision_gains.append(other - one)
        money_gains.append(float((weights * (losses[0] - losses[1])).sum()))
    precision = _gain(points[0], points[1], points[1] - points[0], precision_gains)
    totals = [float(each.sum()) for each in losses]
    money = _gain(totals[0], totals[1], totals[0] - totals[1], money_gains)
    errors = [expected_calibration_error(each.probabilities, fraud) for each in both]
    return Comparison(
        payments=len(fraud),
        frauds=int(fraud.sum()),
        days=round(days, 2),
        average_precision=precision,
        loss=money,
        champion_calibration_error=round(errors[0], 6),
        challenger_calibration_error=round(errors[1], 6),
        wins=precision.low > 0 and money.low > 0 and errors[1] <= errors[0] + CALIBRATION_SLACK,
    )


def average_precision(order: npt.NDArray[np.int64], fraud: Labels, weights: Floats) -> float:
    """Mean precision over the frauds, from the most suspicious payment on; weighted."""
    hit = np.where(fraud[order], weights[order], 0.0)
    seen = np.cumsum(weights[order])
    return float((hit * np.cumsum(hit) / np.maximum(seen, 1e-12)).sum() / hit.sum())


def realised_loss(
    probabilities: Floats, amounts: Floats, fraud: Labels, policy: CostPolicy
) -> Floats:
    """What the decisions on these payments cost, the truth being known: `(N,)`."""
    expected = [
        policy.expected_loss(p, a)
        for p, a in zip(probabilities.tolist(), amounts.tolist(), strict=True)
    ]
    decisions = np.array([policy.decide(each) for each in expected])
    stolen = np.where(fraud, amounts, 0.0)
    reviewed = policy.review + (1 - policy.review_catches) * stolen
    blocked = np.where(fraud, 0.0, policy.false_block)
    return np.select([decisions == "approve", decisions == "review"], [stolen, reviewed], blocked)


def _gain(champion: float, challenger: float, gain: float, draws: list[float]) -> Gain:
    low, high = np.percentile(draws, (LOW, HIGH)) if draws else (-np.inf, np.inf)
    values = (champion, challenger, gain, float(low), float(high))
    names = ("champion", "challenger", "gain", "low", "high")
    return Gain(**{name: round(v, 6) for name, v in zip(names, values, strict=True)})
