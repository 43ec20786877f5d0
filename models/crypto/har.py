"""HAR with time of day: a linear forecast of log variance per horizon, shrunk towards all coins.

The coefficients minimise squared error on the coin's own bars plus a penalty on their distance
from those pooled over many coins: a short history leans on the pool, a long one on itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.core.errors import ModelUnavailable
from models.crypto.candles import Candles, FloatArray, IntArray, Interval
from models.crypto.features import FLOOR, SETTLED, feature_matrix
from models.crypto.series import forward_sums, garman_klass
from models.crypto.shapes import GRID, KNOTS

LEAN: dict[Interval, float] = {"1h": 1000.0, "1d": 600.0}
"""Bars that the pooled coefficients count as."""
LONGEST: dict[Interval, int] = {"1h": 5000, "1d": 2000}
"""Bars that coefficients are fitted on: the newest ones."""
OUTLIER = 5.0


@dataclass(frozen=True, eq=False)
class Pool:
    """What all coins together say: the starting point of every fit.

    Attributes:
        interval: Length of a bar.
        mean: `(F,)`, of the features.
        deviation: `(F,)`, above 0.
        coefficients: `(F + 1, K)`, of log variance on standardised features, the constant first.
        shape: `(K, G)`, quantiles of truth over predicted scale at the levels of `GRID`.
        trained_until_ms: Close of the last bar that it knows.
    """

    interval: Interval
    mean: FloatArray
    deviation: FloatArray
    coefficients: FloatArray
    shape: FloatArray
    trained_until_ms: int

    def standardised(self, candles: Candles) -> FloatArray:
        """Features with the constant first, `(n, F + 1)`, outliers drawn in."""
        rows = (feature_matrix(candles) - self.mean) / self.deviation
        return np.column_stack([np.ones(len(rows)), np.clip(rows, -OUTLIER, OUTLIER)])

    def to_json(self) -> dict[str, Any]:
        """Of plain values."""
        return {
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "coefficients": self.coefficients.tolist(),
            "shape": np.round(self.shape, 6).tolist(),
            "trained_until_ms": self.trained_until_ms,
        }

    @classmethod
    def from_json(cls, interval: Interval, value: Mapping[str, Any]) -> "Pool":
        """What `to_json` wrote.

        Raises:
            ModelUnavailable: It is of other features, horizons or levels.
        """
        try:
            pool = cls(
                interval=interval,
                mean=np.array(value["mean"], float),
                deviation=np.array(value["deviation"], float),
                coefficients=np.array(value["coefficients"], float),
                shape=np.array(value["shape"], float),
                trained_until_ms=int(value["trained_until_ms"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ModelUnavailable(f"the pooled coefficients cannot be read: {error}") from error
        features, knots = len(pool.mean), len(KNOTS[interval])
        shapes = pool.coefficients.shape, pool.shape.shape
        if shapes != ((features + 1, knots), (knots, len(GRID))):
            raise ModelUnavailable("the pooled coefficients are of another version; train them")
        return pool


def log_variance_sums(candles: Candles, horizons: IntArray) -> FloatArray:
    """What is to be predicted: log of the variance of the next bars, `(n, K)`."""
    return np.asarray(np.log(forward_sums(garman_klass(candles), horizons) + FLOOR))


def fit_coefficients(
    rows: FloatArray,
    targets: FloatArray,
    interval: Interval,
    prior: FloatArray,
    *,
    lean: float | None = None,
    longest: int | None = 0,
) -> FloatArray:
    """Ridge regression towards the pooled coefficients, one per horizon.

    Args:
        rows: `(n, F + 1)`, standardised, of bars known at the origin.
        targets: `(n, K)`, not a number where the future is not known.
        interval: Length of a bar.
        prior: `(F + 1, K)`.
        lean: Bars that the prior counts as; by default those of `LEAN`.
        longest: Newest bars that are fitted on, none for all; by default those of `LONGEST`.

    Returns:
        `(F + 1, K)`.
    """
    strength = LEAN[interval] if lean is None else lean
    limit = LONGEST[interval] if longest == 0 else longest
    first = 0 if limit is None else max(SETTLED[interval], len(rows) - limit)
    fitted, aims = rows[first:], targets[first:]
    unknown = ~np.isfinite(aims)
    penalty = np.full(rows.shape[1], strength)
    penalty[0] = min(strength, 1.0) + 20.0  # the level is the coin's own
    # Horizons share all rows but the last few: one product for all, less those of each.
    gram = fitted.T @ fitted
    moments = fitted.T @ np.where(unknown, 0.0, aims)  # (F + 1, K)
    found = prior.copy()
    for column in np.flatnonzero(~unknown.all(axis=0)):
        left_out = fitted[unknown[:, column]]
        own = gram - left_out.T @ left_out
        pull = moments[:, column] - own @ prior[:, column]
        found[:, column] += np.linalg.solve(own + np.diag(penalty), pull)
    return found


def scales(rows: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Predicted scale of the log return per bar and horizon, `(n, K)`."""
    return np.asarray(np.exp(0.5 * (rows @ coefficients)))
