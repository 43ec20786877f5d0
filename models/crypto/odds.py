"""A distribution as it is answered: quantiles in dollars and chances, calibrated by the record."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.crypto.candles import FloatArray
from models.crypto.conformal import ConformalState
from models.crypto.quantiles import Quantiles
from models.crypto.schema import Odds

DIGITS = 7
"""Significant digits of what is answered: finer than any tick, shorter on the wire."""


@dataclass(frozen=True, eq=False)
class Warp:
    """Levels at which a promise is kept: promised level to working level, per step.

    Attributes:
        promised: `(7,)`, 0 to 1, symmetric.
        working: `(H, 7)`.
    """

    promised: FloatArray
    working: FloatArray


def warp_of(states: Sequence[tuple[ConformalState, ConformalState]]) -> Warp | None:
    """The warp of 80 and 95 % interval states per step; `None` while there is no record."""
    if not any(state.n for pair in states for state in pair):
        return None
    tails = []
    for inner, outer in states:
        wide = min(outer.alpha, inner.alpha - 1e-3)
        tails.append((0.0, wide / 2, inner.alpha / 2, 0.5))
    low = np.array(tails)
    working = np.concatenate([low, 1 - low[:, 2::-1]], axis=1)
    return Warp(np.array([0.0, 0.025, 0.1, 0.5, 0.9, 0.975, 1.0]), working)


def quantiles_at(curve: Quantiles, levels: FloatArray, warp: Warp | None = None) -> FloatArray:
    """Log-return quantiles, `(H, L)`; linear between the levels held, flat outside."""
    if warp is None:
        return curve.at(levels)
    rows = [
        np.interp(np.interp(levels, warp.promised, working), curve.levels, values)
        for working, values in zip(warp.working, curve.values, strict=True)
    ]
    return np.stack(rows)


def chance_below(curve: Quantiles, log_return: float, warp: Warp | None = None) -> FloatArray:
    """Probability of a lower log return per step, `(H,)`, within the outermost levels held."""
    found = curve.probability_below(log_return)
    if warp is None:
        return found
    pairs = zip(found, warp.working, strict=True)
    return np.array([np.interp(level, working, warp.promised) for level, working in pairs])


def odds_of(
    curve: Quantiles,
    last_close_usd: float,
    steps: Sequence[int],
    levels: Sequence[float],
    move_pct: float,
    warp: Warp | None = None,
) -> Odds:
    """What is answered of a distribution, for some of its steps."""
    chosen = np.array(steps) - 1
    whole = len(chosen) == len(curve.values)  # steps increase: then they are all
    part = curve if whole else Quantiles(curve.levels, curve.values[chosen])
    bent = None if warp is None else Warp(warp.promised, warp.working[chosen])
    usd = last_close_usd * np.exp(quantiles_at(part, np.array(levels), bent))
    far_up = 1 - chance_below(part, float(np.log1p(move_pct / 100)), bent)
    far_down = chance_below(part, float(np.log1p(-move_pct / 100)), bent)
    up = part.p_up if bent is None else 1 - chance_below(part, 0.0, bent)
    return Odds.model_construct(
        quantiles_usd=tuple(map(tuple, significant(usd).tolist())),
        p_up=tuple(np.round(up, 4).tolist()),
        p_move=tuple(np.round(far_up + far_down, 4).tolist()),
    )


def significant(values: FloatArray) -> FloatArray:
    """Rounded to a few significant digits."""
    with np.errstate(divide="ignore"):
        size = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (DIGITS - 1 - size)
    return np.asarray(np.round(values * scale) / scale)
