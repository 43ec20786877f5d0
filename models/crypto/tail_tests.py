"""Tests of quantiles of loss: does it come as often as promised, and not in clusters?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc


@dataclass(frozen=True)
class TailTest:
    """Whether losses beyond a quantile come as often as promised, and not in clusters.

    Attributes:
        level: Of the quantile of returns, such as .05.
        n: Returns that were judged.
        violations: Returns below the quantile.
        kupiec_p: Chance of so unlikely a count if the level is right.
        christoffersen_p: The same of count and independence together.
    """

    level: float
    n: int
    violations: int
    kupiec_p: float
    christoffersen_p: float

    @property
    def passed(self) -> bool:
        """Whether neither test rejects at 5 %."""
        return min(self.kupiec_p, self.christoffersen_p) > 0.05


def tail_test(violated: npt.NDArray[np.bool_], level: float) -> TailTest:
    """Test one sequence of hits, in order of time.

    Source: Kupiec 1995, doi:10.3905/jod.1995.407942; Christoffersen 1998, doi:10.2307/2527341,
    conditional coverage: the likelihood ratios of count and of first-order independence, added.
    """
    n, count = len(violated), int(violated.sum())
    unconditional = 2 * (_bernoulli(count, n, count / max(1, n)) - _bernoulli(count, n, level))
    before, after = violated[:-1], violated[1:]
    n00, n01 = int((~before & ~after).sum()), int((~before & after).sum())
    n10, n11 = int((before & ~after).sum()), int((before & after).sum())
    apart = _own(n01, n00 + n01) + _own(n11, n10 + n11)
    independence = 2 * (apart - _own(n01 + n11, n00 + n01 + n10 + n11))
    return TailTest(
        level=level,
        n=n,
        violations=count,
        kupiec_p=float(chdtrc(1, max(unconditional, 0.0))),
        christoffersen_p=float(chdtrc(2, max(unconditional + independence, 0.0))),
    )


def _bernoulli(count: int, n: int, p: float) -> float:
    """Log-likelihood; 0 log 0 is 0."""
    hit = count * math.log(p) if count else 0.0
    return hit + ((n - count) * math.log1p(-p) if count < n else 0.0)


def _own(count: int, n: int) -> float:
    return _bernoulli(count, n, count / n) if n else 0.0
