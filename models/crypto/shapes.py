"""Standardised distributions: what truths have been in units of the scale that was predicted."""

import numpy as np

from models.crypto.candles import FloatArray, IntArray, Interval

GRID: FloatArray = np.concatenate(
    [[0.0005, 0.00125], np.arange(1, 400) / 400.0, [1 - 0.00125, 1 - 0.0005]]
)
"""Levels of every curve; fine enough for .01 to .99 and for the shortfall beyond .01."""
KNOTS: dict[Interval, IntArray] = {
    "1h": np.array([1, 2, 3, 4, 5, 6, 7, 12, 24, 48, 96, 168]),
    "1d": np.array([1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 30]),
}
"""Horizons that are fitted; those between are interpolated over the log of the horizon."""
WINDOW: dict[Interval, int] = {"1h": 2400, "1d": 720}
"""Ratios that the empirical distribution is made of: the newest ones."""
POOLED_WEIGHT: dict[Interval, float] = {"1h": 400.0, "1d": 400.0}
"""Independent ratios that the pooled distribution of all coins counts as."""


def sorted_quantiles(values: FloatArray, levels: FloatArray = GRID) -> FloatArray:
    """Quantiles along the last axis, `(..., L)`; linear between order statistics."""
    ordered = np.sort(values, axis=-1)
    n = ordered.shape[-1]
    place = np.clip(levels * n - 0.5, 0, n - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, n - 1)
    part = place - below
    return np.asarray(ordered[..., below] * (1 - part) + ordered[..., above] * part)


def mixed_shape(
    own: FloatArray, pooled: FloatArray | None, counts: FloatArray, weight: float
) -> FloatArray:
    """Average of quantile functions, own and pooled, `(..., K, G)`.

    Overlapping truths of `h` steps are worth `1 / h` of as many independent ones, so that the
    pooled distribution counts for more the further one looks.

    Args:
        own: `(..., K, G)`.
        pooled: `(K, G)`, or none: then the own one stands alone.
        counts: `(K,)`, independent own ratios per horizon.
        weight: Independent ratios that the pooled one counts as.

    Source: Vincent 1912, averaging of quantile functions.
    """
    if pooled is None:
        return own
    share = (counts / (counts + weight))[:, None]  # (K, 1)
    return np.asarray(share * own + (1 - share) * pooled)


def known_shapes(
    ratios: FloatArray, origins: IntArray, horizons: IntArray, window: int
) -> FloatArray:
    """Empirical quantiles of the ratios whose truth is known at each origin, `(m, K, G)`.

    Args:
        ratios: `(n, K)`, truth over predicted scale from every bar.
        origins: `(m,)`, rows, each at least the longest horizon.
        horizons: `(K,)`.
        window: How many of the newest ratios count.

    Source: filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper 1999,
    doi:10.1002/(SICI)1096-9934(199908)19:5<583::AID-FUT5>3.0.CO;2-S, per horizon.
    """
    out = np.empty((len(origins), len(horizons), len(GRID)))
    for column, steps in enumerate(horizons):
        newest = origins - steps  # of the bars whose truth is known
        if newest.min() + 1 >= window:
            views = np.lib.stride_tricks.sliding_window_view(ratios[:, column], window)
            out[:, column] = sorted_quantiles(views[newest - window + 1])
            continue
        for row, last in enumerate(newest):
            part = ratios[max(0, last - window + 1) : last + 1, column]
            out[row, column] = sorted_quantiles(part)
    return out


def independent_counts(bars: int, horizons: IntArray, window: int) -> FloatArray:
    """How many truths that do not overlap the newest ratios are worth, `(K,)`."""
    return np.asarray(np.clip(bars - horizons, 0, window) / horizons)
