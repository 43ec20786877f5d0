"""A limit of scores whose false-alarm budget also holds where ordinary traffic is mixed otherwise."""

import numpy as np
import numpy.typing as npt

MIXES = 200
HELD_IN = 0.75
"""Share of other mixes in which the budget is to hold; the plain quantile of the scores holds in half."""

Floats = npt.NDArray[np.float64]


def limit_over_mixes(scores: Floats, kinds: npt.NDArray[np.intp], budget: float) -> float:
    """The score that the budgeted share of ordinary flows exceeds, in three of four mixes.

    Another day or another network has the same kinds of traffic in other proportions. Each mix
    draws as many kinds as there are, with replacement, each with all its flows: the bootstrap of
    clusters (Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8).

    Args:
        scores: `(N,)`, of ordinary flows that the detectors never saw.
        kinds: `(N,)`, numbers from 0 on, of service, protocol and flag for example.
        budget: Share of flows that may exceed the limit.
    """
    order = np.argsort(-scores)
    scores, kinds = scores[order], kinds[order]
    count, random = int(kinds.max()) + 1, np.random.default_rng(0)
    limits = []
    for _ in range(MIXES):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        exceeding = np.cumsum(times[kinds])
        limits.append(scores[np.searchsorted(exceeding, budget * exceeding[-1], "right")])
    return float(np.quantile(limits, HELD_IN))
