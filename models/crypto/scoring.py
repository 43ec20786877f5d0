"""Scores of one forecast once its truth is known: pure arithmetic."""

from dataclasses import dataclass

import numpy as np

from models.crypto.candles import STEP_MS, FloatArray, Interval
from models.crypto.sources.bars import Series

LEVELS = np.arange(1, 40) / 40
"""Levels over which the continuous ranked probability score is taken."""


def crps(quantiles: FloatArray, truths: FloatArray) -> FloatArray:
    """CRPS per step in log return, `(H,)`: twice the mean pinball loss over the levels.

    Args:
        quantiles: `(H, 39)` at `LEVELS`.
        truths: `(H,)`, log returns.

    Source: Gneiting & Ranjan 2011, doi:10.1198/jbes.2010.08110, quantile decomposition.
    """
    gap = truths[:, None] - quantiles
    return np.asarray(2 * np.maximum(LEVELS * gap, (LEVELS - 1) * gap).mean(1))


@dataclass(frozen=True, eq=False)
class Logged:
    """A forecast as it is on record, of the steps that are not scored yet.

    Attributes:
        seq: Its number.
        symbol: Of the coin.
        interval: Length of a step.
        venue: Whose prices it is about.
        made_at_ms: When its last bar closed.
        last_close_usd: Price at that moment.
        done: Steps that are scored.
        quantiles: `(H, 39)`, log returns as the model gave them.
        bounds: `(H, 4)`, served 95 and 80 % intervals: lower 95, lower 80, upper 80, upper 95.
        baseline: `(H, 39)`.
        p_up: `(H,)`.
        adapts: Whether its outcome moves the calibration.
        model: What made it.
        market: real, synthetic or request.
        owner: Of the candles, if they were the caller's.
    """

    seq: int
    symbol: str
    interval: Interval
    venue: str
    made_at_ms: int
    last_close_usd: float
    done: int
    quantiles: FloatArray
    bounds: FloatArray
    baseline: FloatArray
    p_up: FloatArray
    adapts: bool
    model: str
    market: str
    owner: str


@dataclass(frozen=True)
class Score:
    """One step of one forecast; without a truth all else is absent."""

    step: int
    truth: float | None
    crps: float | None = None
    crps_walk: float | None = None
    inside_80: bool | None = None
    inside_95: bool | None = None
    raw_inside_80: bool | None = None
    raw_inside_95: bool | None = None
    brier: float | None = None


def truths_of(forecast: Logged, series: Series) -> tuple[int, FloatArray]:
    """How many steps have ended within the series, and their log returns, NaN where a bar lacks."""
    step_ms = STEP_MS[forecast.interval]
    ended = (series.closed_at_ms - forecast.made_at_ms) // step_ms
    last = int(min(max(ended, 0), len(forecast.quantiles)))
    targets = forecast.made_at_ms + step_ms * np.arange(last)  # openings of the bars of the steps
    places = np.searchsorted(series.rows[:, 0], targets)
    places = np.minimum(places, len(series) - 1)
    there = series.rows[places, 0] == targets
    returns = np.log(series.rows[places, 4] / forecast.last_close_usd)
    return last, np.where(there, returns, np.nan)


def scores_of(forecast: Logged, series: Series) -> list[Score]:
    """Scores of the steps that have ended and were not scored before."""
    last, truths = truths_of(forecast, series)
    if last <= forecast.done:
        return []
    model = crps(forecast.quantiles[:last], truths)
    walk = crps(forecast.baseline[:last], truths)
    low_95, low_80, high_80, high_95 = forecast.bounds[:last].T
    raw = forecast.quantiles[:last]
    found = []
    for place in range(forecast.done, last):
        truth = float(truths[place])
        if np.isnan(truth):
            found.append(Score(place + 1, None))
            continue
        score = Score(
            step=place + 1,
            truth=truth,
            crps=float(model[place]),
            crps_walk=float(walk[place]),
            inside_80=bool(low_80[place] <= truth <= high_80[place]),
            inside_95=bool(low_95[place] <= truth <= high_95[place]),
            raw_inside_80=bool(raw[place, 3] <= truth <= raw[place, 35]),
            raw_inside_95=bool(raw[place, 0] <= truth <= raw[place, 38]),
            brier=float((forecast.p_up[place] - (truth > 0)) ** 2),
        )
        found.append(score)
    return found
