"""Adaptive conformal calibration: the working level moves after every hit and miss.

Source: Gibbs and Candes 2021, arXiv:2106.00170, eq. 2.
"""

from dataclasses import dataclass

GAMMA = 0.005


@dataclass(frozen=True)
class ConformalState:
    """Where the calibration of one interval stands: (coin, interval, horizon, level).

    Attributes:
        level: Coverage that is promised, such as .8.
        alpha: Miss rate that the interval is built for now, .002 to .6.
        n: Truths seen.
        hits: Of the intervals as they were served.
    """

    level: float
    alpha: float
    n: int = 0
    hits: int = 0


def fresh(level: float) -> ConformalState:
    """The state before any truth."""
    return ConformalState(level, 1 - level)


def update(state: ConformalState, *, inside: bool, gamma: float = GAMMA) -> ConformalState:
    """The state after the truth fell inside or outside the interval that was served."""
    miss = 0.0 if inside else 1.0
    alpha = min(max(state.alpha + gamma * ((1 - state.level) - miss), 0.002), 0.6)
    return ConformalState(state.level, alpha, state.n + 1, state.hits + inside)


def tail_levels(state: ConformalState) -> tuple[float, float]:
    """Levels of the two quantiles that bound the interval now."""
    return state.alpha / 2, 1 - state.alpha / 2
