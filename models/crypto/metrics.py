"""How distributions are judged: CRPS, Diebold-Mariano, coverage, PIT."""

import math

import numpy as np

from models.crypto.candles import FloatArray
from models.crypto.quantiles import Quantiles

SCORED_LEVELS: FloatArray = np.arange(1, 40) / 40.0
PIT_BINS = 20


def crps(values: FloatArray, truth: FloatArray, levels: FloatArray = SCORED_LEVELS) -> FloatArray:
    """Continuous ranked probability score as twice the mean pinball loss.

    Args:
        values: `(..., L)`, quantiles.
        truth: `(...)`.
        levels: `(L,)`, equally spaced.

    Returns:
        `(...)`, in the unit of `truth`; lower is better.

    Source: Gneiting and Ranjan 2011, doi:10.1198/jbes.2010.08110, eq. 15.
    """
    error = truth[..., None] - values
    return np.asarray(2 * np.maximum(levels * error, (levels - 1) * error).mean(-1))


def diebold_mariano(loss: FloatArray, reference: FloatArray, lags: int) -> float:
    """Newey-West t of the mean difference, negative where `loss` is lower.

    Args:
        loss: `(n,)`, in order of time.
        reference: `(n,)`, on the same origins.
        lags: Of the variance: as many origins as horizons overlap.

    Source: Diebold and Mariano 1995, doi:10.1080/07350015.1995.10524599.
    """
    difference = loss - reference
    centred = difference - difference.mean()
    variance = float((centred**2).mean())
    for lag in range(1, min(lags, len(centred) - 1) + 1):
        weight = 1 - lag / (lags + 1)
        variance += 2 * weight * float((centred[lag:] * centred[:-lag]).sum()) / len(centred)
    if variance <= 0:
        return 0.0
    return float(difference.mean()) / math.sqrt(variance / len(difference))


def covered(values: FloatArray, truth: FloatArray, level: float, levels: FloatArray) -> FloatArray:
    """Whether truths lie inside the central interval: booleans of the shape of `truth`."""
    low = int(np.argmin(np.abs(levels - (1 - level) / 2)))
    high = int(np.argmin(np.abs(levels - (1 + level) / 2)))
    return np.asarray((truth >= values[..., low]) & (truth <= values[..., high]))


def pit(curve: FloatArray, truth: FloatArray, levels: FloatArray) -> FloatArray:
    """Share of truths per twentieth of the predicted distribution, `(20,)`.

    Source: Diebold, Gunther and Tay 1998, doi:10.2307/2527342.
    """
    flat = curve.reshape(-1, curve.shape[-1])
    reached = [
        float(Quantiles(levels, row[None]).probability_below(float(value))[0])
        for row, value in zip(flat, truth.ravel(), strict=True)
    ]
    counts, _ = np.histogram(reached, bins=PIT_BINS, range=(0, 1))
    return np.asarray(counts / max(1, len(reached)))
