"""One model fitted to one coin at its last bar: scale, shape, baseline at the fitted horizons."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from models.crypto.backtest import YARDSTICK_WINDOW
from models.crypto.candles import Candles, FloatArray, IntArray
from models.crypto.quantiles import Quantiles
from models.crypto.scale_models import ScaleModels, ScaleName
from models.crypto.series import forward_sums, log_returns
from models.crypto.shapes import (
    GRID,
    KNOTS,
    POOLED_WEIGHT,
    WINDOW,
    independent_counts,
    known_shapes,
    mixed_shape,
)

LEAST_RATIOS = 20
ENOUGH_APART = 50


@dataclass(frozen=True, eq=False)
class Fitted:
    """What is known of the future of one coin at its last close.

    Attributes:
        knots: `(K,)`, fitted horizons.
        scales: `(K,)`, predicted deviation.
        shapes: `(K, G)`, quantiles in units of the scale, not decreasing along `G`.
        baseline: `(K, G)`, quantiles of past log returns over the same horizons, the same.
        returns: `(n,)`, log returns of the bars, for paths.
    """

    knots: IntArray
    scales: FloatArray
    shapes: FloatArray
    baseline: FloatArray
    returns: FloatArray

    def scale(self, horizons: IntArray) -> FloatArray:
        """Predicted deviation, `(H,)`: log-linear over the log of the horizon."""
        return np.asarray(
            np.exp(np.interp(np.log(horizons), np.log(self.knots), np.log(self.scales)))
        )

    def curve(self, horizons: IntArray) -> Quantiles:
        """The distribution of the log return."""
        values = _between(self.knots, self.shapes, horizons)
        values *= self.scale(horizons)[:, None]
        return Quantiles(GRID, values)

    def baseline_curve(self, horizons: IntArray) -> Quantiles:
        """The distribution of a random walk whose steps are those of the past."""
        roots = np.sqrt(self.knots)[:, None]
        values = _between(self.knots, self.baseline / roots, horizons)
        values *= np.sqrt(horizons)[:, None]
        return Quantiles(GRID, values)


def fit(name: ScaleName, candles: Candles, models: ScaleModels) -> Fitted:
    """Fit a model on all bars."""
    interval, bars = candles.interval, len(candles)
    knots = KNOTS[interval]
    returns = log_returns(candles)
    truth = forward_sums(returns, knots)
    since = max(0, bars - WINDOW[interval] - int(knots[-1]) - 1)
    scales = models.scales(name, candles, bars, since)
    usable = np.flatnonzero(bars - knots >= LEAST_RATIOS)  # the last bars know no truth so far on
    origin = np.array([bars - 1])
    window = YARDSTICK_WINDOW[interval] if name == "garch" else WINDOW[interval]
    own = known_shapes((truth / scales)[:, usable], origin, knots[usable], window)[0]
    walk = _random_walk(truth[:, usable], returns, knots[usable], YARDSTICK_WINDOW[interval])
    shapes = own
    if name != "garch":
        pooled = models.pool(interval).shape[usable]
        counts = independent_counts(bars, knots[usable], window)
        shapes = mixed_shape(own, pooled, counts, POOLED_WEIGHT[interval])
    return Fitted(
        knots=knots[usable],
        scales=scales[-1, usable],
        # In order here, they stay so: sums and products are rounded in order, too.
        shapes=np.maximum.accumulate(shapes, axis=1),
        baseline=np.maximum.accumulate(walk, axis=1),
        returns=returns,
    )


def _random_walk(
    truth: FloatArray, returns: FloatArray, knots: IntArray, window: int
) -> FloatArray:
    """Quantiles of past log returns, `(K, G)`; normal where few of them do not overlap."""
    walk = known_shapes(truth, np.array([len(truth) - 1]), knots, window)[0]
    few = independent_counts(len(truth), knots, window) < ENOUGH_APART
    deviation = float(np.sqrt(np.mean(returns[-window:] ** 2)))
    walk[few] = deviation * np.sqrt(knots[few])[:, None] * ndtri(GRID)
    return np.asarray(walk)


def _between(knots: IntArray, rows: FloatArray, horizons: IntArray) -> FloatArray:
    """Rows at other horizons, `(H, G)`: linear over the log of the horizon."""
    below, above, part = _places(tuple(knots.tolist()), tuple(horizons.tolist()))
    found = rows[below]
    found *= 1 - part
    upper = rows[above]
    upper *= part
    found += upper
    return found


@lru_cache(maxsize=512)
def _places(
    knots: tuple[int, ...], horizons: tuple[int, ...]
) -> tuple[IntArray, IntArray, FloatArray]:
    """Knots below and above each horizon, `(H,)`, and the way between them, `(H, 1)`."""
    place = np.interp(np.log(horizons), np.log(knots), np.arange(len(knots)))
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, len(knots) - 1)
    return below, above, (place - below)[:, None]
