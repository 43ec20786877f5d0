"""A predictive distribution per horizon, held as its quantiles."""

from dataclasses import dataclass

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
        return np.stack([np.interp(levels, self.levels, row) for row in self.values])

    def probability_below(self, log_return: float) -> FloatArray:
        """Probability that the log return is lower, `(H,)`, within the outermost levels."""
        return np.array([np.interp(log_return, row, self.levels) for row in self.values])

    @property
    def p_up(self) -> FloatArray:
        """Probability of a price above the last close, `(H,)`."""
        return 1 - self.probability_below(0.0)
