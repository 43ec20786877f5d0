"""A predictive distribution per horizon, held as its quantiles."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.crypto.candles import FloatArray


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Quantile functions of the log return, one per horizon.

    Attributes:
        levels: `(K,)`, increasing, between 0 and 1.
        values: `(H, K)`, log returns from the last close, not decreasing along `K`.
    """

    levels: FloatArray
    values: FloatArray

    def at(self, levels: FloatArray) -> FloatArray:
        """Quantiles at other levels, `(H, L)`; linear between those held, flat outside."""
        held, last = self.levels, len(self.levels) - 1
        place = np.interp(levels, held, np.arange(len(held)))  # one look-up for all rows
        below = np.minimum(place.astype(np.int64), last - 1)
        part = place - below
        return np.asarray(self.values[:, below] * (1 - part) + self.values[:, below + 1] * part)

    def probability_below(self, log_return: float) -> FloatArray:
        """Probability that the log return is lower, `(H,)`, within the outermost levels."""
        held, values = self.levels, self.values
        rows = np.arange(len(values))
        above = np.count_nonzero(values <= log_return, axis=1)
        above = np.minimum(np.maximum(above, 1), len(held) - 1)
        left, right = values[rows, above - 1], values[rows, above]
        width = np.where(right > left, right - left, 1.0)
        # Cut off before it is divided: by a width next to nothing it would overflow.
        part = np.minimum(np.maximum(log_return - left, 0.0), width) / width
        return np.asarray(held[above - 1] * (1 - part) + held[above] * part)

    @cached_property
    def p_up(self) -> FloatArray:
        """Probability of a price above the last close, `(H,)`."""
        return 1 - self.probability_below(0.0)
