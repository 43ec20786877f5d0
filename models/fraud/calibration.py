"""From a margin to a probability that means what it says: isotonic, smoothed at its steps."""

import math
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from models.core.capability import Value

Floats = npt.NDArray[np.float64]


class Calibration(Value):
    """A rising curve through knots, flat beyond them.

    Attributes:
        margins: Of the knots, ascending.
        probabilities: At the knots, never falling.
    """

    margins: tuple[float, ...] = Field(min_length=2)
    probabilities: tuple[float, ...]

    @model_validator(mode="after")
    def _rising(self) -> "Calibration":
        margins, probabilities = self.margins, self.probabilities
        if len(margins) != len(probabilities):
            raise ValueError("expected as many probabilities as margins")
        if list(margins) != sorted(margins) or list(probabilities) != sorted(probabilities):
            raise ValueError("expected knots in rising order")
        if not 0 <= probabilities[0] <= probabilities[-1] <= 1:
            raise ValueError("expected probabilities from 0 to 1")
        return self

    def __call__(self, margin: float) -> float:
        """Probability at one margin."""
        place = bisect_right(self.margins, margin)
        if place == 0:
            return self.probabilities[0]
        if place == len(self.margins):
            return self.probabilities[-1]
        x0, x1 = self.margins[place - 1 : place + 1]
        y0, y1 = self.probabilities[place - 1 : place + 1]
        return y0 + (y1 - y0) * (margin - x0) / (x1 - x0)

    def many(self, margins: Floats) -> Floats:
        """Probabilities at many margins."""
        return np.interp(margins, self.margins, self.probabilities)


def fit_isotonic(margins: Floats, fraud: npt.NDArray[np.bool_]) -> Calibration:
    """Fit by pooling adjacent violators (Ayer et al. 1955), a knot at both ends of each pool.

    Args:
        margins: `(N,)`, of payments that the model was not fitted on.
        fraud: `(N,)`.
    """
    order = np.argsort(margins, kind="stable")
    pools: list[list[float]] = []  # frauds, payments, first and last margin
    for margin, label in zip(margins[order].tolist(), fraud[order].tolist(), strict=True):
        pools.append([float(label), 1.0, margin, margin])
        while len(pools) > 1 and _out_of_order(pools[-2], pools[-1]):
            last = pools.pop()
            pools[-1] = [pools[-1][0] + last[0], pools[-1][1] + last[1], pools[-1][2], last[3]]
    return _through(pools)


def expected_calibration_error(
    probabilities: Floats,
    fraud: npt.NDArray[np.bool_],
    *,
    bins: int = 15,
    equal_count: bool = False,
) -> float:
    """Mean gap between predicted and observed share of fraud over bins.

    Args:
        probabilities: `(N,)`.
        fraud: `(N,)`.
        bins: How many.
        equal_count: Bins hold equally many payments instead of spanning equal widths; with rare
            frauds the chance error within each bin then dominates.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    if equal_count:
        parts = np.array_split(np.argsort(probabilities, kind="stable"), bins)
    else:
        place = np.minimum((probabilities * bins).astype(int), bins - 1)
        parts = [np.flatnonzero(place == number) for number in range(bins)]
    gaps = [abs(float(np.sum(probabilities[part])) - float(np.sum(fraud[part]))) for part in parts]
    return math.fsum(gaps) / len(probabilities)


def _out_of_order(before: Sequence[float], after: Sequence[float]) -> bool:
    return before[0] * after[1] >= after[0] * before[1] or before[3] == after[2]


def _through(pools: Sequence[Sequence[float]]) -> Calibration:
    margins: list[float] = []
    probabilities: list[float] = []
    for frauds, count, first, last in pools:
        for margin in (first, last):
            if not margins or margin > margins[-1]:
                margins.append(margin)
                probabilities.append(frauds / count)
    if len(margins) == 1:
        margins.append(math.nextafter(margins[0], math.inf))
        probabilities *= 2
    return Calibration(margins=tuple(margins), probabilities=tuple(probabilities))
