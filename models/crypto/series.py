"""Series that every model starts from: returns, variances of single bars, trailing and future sums."""

import math

import numpy as np
from scipy.signal import lfilter

from models.crypto.candles import Candles, FloatArray, IntArray

TINY = 1e-10


def log_returns(candles: Candles) -> FloatArray:
    """Close to close, `(n,)`; the first is 0."""
    changes = np.diff(np.log(candles.close))
    return np.concatenate([np.zeros(1), changes])


def garman_klass(candles: Candles) -> FloatArray:
    """Variance within each bar, `(n,)`, from its open, high, low and close.

    Source: Garman and Klass 1980, doi:10.1086/296072, the practical estimator.
    """
    high_low = np.log(candles.high / candles.low)
    close_open = np.log(candles.close / candles.open)
    variance = 0.5 * high_low**2 - (2 * math.log(2) - 1) * close_open**2
    return np.asarray(np.maximum(variance, TINY))


def trailing_mean(x: FloatArray, span: int) -> FloatArray:
    """Mean of the last `span` values, of fewer where there are fewer: `(n,)`."""
    total = np.concatenate([np.zeros(1), np.cumsum(x)])
    end = np.arange(1, len(x) + 1)
    start = np.maximum(end - span, 0)
    return np.asarray((total[end] - total[start]) / (end - start))


def decayed_mean(x: FloatArray, keep: float) -> FloatArray:
    """Exponentially weighted mean, `(n,)`: `keep` of it stays at every step."""
    start = float(x[:50].mean())
    smooth, _ = lfilter([1 - keep], [1, -keep], x, zi=[keep * start])
    return np.asarray(smooth)


def forward_sums(x: FloatArray, horizons: IntArray) -> FloatArray:
    """`out[i, k] = x[i + 1] + ... + x[i + horizons[k]]`, `(n, K)`; not a number past the end."""
    total = np.concatenate([np.zeros(1), np.cumsum(x)])
    out = np.full((len(x), len(horizons)), np.nan)
    for column, steps in enumerate(horizons):
        if steps < len(x):
            out[:-steps, column] = total[steps + 1 :] - total[1:-steps]
    return out
