"""Paths that agree with the odds: the order of past paths, the values of the forecast.

Source: the Schaake shuffle, Clark et al. 2004, doi:10.1175/1525-7541(2004)005<0243:TSSAMF>2.0.CO;2.
"""

import numpy as np

from models.core.seeds import numpy_generator
from models.crypto.candles import FloatArray
from models.crypto.quantiles import Quantiles


def draw_paths(returns: FloatArray, curve: Quantiles, count: int, seed: int) -> FloatArray:
    """Log returns from the last close, `(count, H)`.

    Every horizon has exactly the distribution of `curve`; how a path hangs together over time is
    that of stretches of the past.

    Args:
        returns: `(n,)`, of past bars, more of them than horizons.
        curve: The forecast of steps 1 to H.
        count: Paths.
        seed: Of the draws.
    """
    horizons = len(curve.values)
    generator = numpy_generator(seed, "paths")
    starts = generator.integers(1, len(returns) - horizons + 1, count)
    past = np.cumsum(returns[starts[:, None] + np.arange(horizons)], axis=1)  # (count, H)
    tie_break = generator.random(past.shape)
    out = np.empty_like(past)
    for column in range(horizons):
        order = np.lexsort((tie_break[:, column], past[:, column]))
        levels = (np.arange(count) + generator.random(count)) / count
        out[order, column] = np.interp(levels, curve.levels, curve.values[column])
    return out
