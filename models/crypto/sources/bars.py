"""Bars as a venue sends them, cleaned: closed, unique, in order, on the grid of the interval."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.crypto.candles import STEP_MS, Candles, FloatArray, Interval

COLUMNS = 6
LATEST_SECOND = 10**11
"""Stamps below this are seconds, below 1000 times it milliseconds, then micro, then nano."""


@dataclass(frozen=True, eq=False)
class Series:
    """Bars of one coin from one venue; never from two.

    Attributes:
        venue: Who sent them.
        symbol: Of the coin.
        interval: Length of a bar.
        rows: `(n, 6)`: bar open in UTC milliseconds, open, high, low, close, volume.
        fetched_at_s: Unix time of the newest answer of the venue.
        synthetic: Invented.
        notes: What the bars lack.
    """

    venue: str
    symbol: str
    interval: Interval
    rows: FloatArray
    fetched_at_s: float
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def last_open_ms(self) -> int:
        """When the newest bar opened."""
        return int(self.rows[-1, 0])

    @property
    def closed_at_ms(self) -> int:
        """When the newest bar closed."""
        return self.last_open_ms + STEP_MS[self.interval]

    @property
    def gaps(self) -> int:
        """Bars that are absent between the first and the last."""
        span = self.last_open_ms - int(self.rows[0, 0])
        return span // STEP_MS[self.interval] + 1 - len(self.rows)

    @cached_property
    def digest(self) -> str:
        """Of the bars."""
        return hashlib.sha256(self.rows.tobytes()).hexdigest()

    def candles(self) -> Candles:
        """The bars as models take them."""
        opens, highs, lows, closes, volumes = self.rows[:, 1:].T
        return Candles(
            self.symbol,
            self.interval,
            self.rows[:, 0].astype(np.int64),
            opens,
            highs,
            lows,
            closes,
            volumes,
            source=self.venue,
            synthetic=self.synthetic,
        )


def last_closed_open_ms(interval: Interval, now_ms: float) -> int:
    """Opening time of the newest bar that has closed."""
    step = STEP_MS[interval]
    return int(now_ms // step) * step - step


def cleaned(
    raw: Iterable[Sequence[float]] | FloatArray, interval: Interval, now_ms: float
) -> FloatArray:
    """Bars that can be used, `(n, 6)`, the oldest first.

    The bar that is still forming goes, and so do bars off the grid, with prices that are none or
    with a high or low that is not one. Of bars sent twice the later one stays. Stamps may be
    seconds, milli-, micro- or nanoseconds.

    Args:
        raw: Rows of bar open, open, high, low, close, volume.
        interval: Length of a bar.
        now_ms: By the venue's clock.
    """
    given = [tuple(row)[:COLUMNS] for row in raw]
    rows = np.array([row for row in given if len(row) == COLUMNS], np.float64)
    if rows.size == 0:
        return np.empty((0, COLUMNS))
    rows = rows[np.isfinite(rows).all(1)]
    rows[:, 0] = _milliseconds(rows[:, 0])
    step = STEP_MS[interval]
    opens, prices, high, low = rows[:, 0], rows[:, [1, 4]], rows[:, 2], rows[:, 3]
    usable = (opens % step == 0) & (opens + step <= now_ms) & (low > 0) & (rows[:, 5] >= 0)
    usable &= (prices.max(1) <= high) & (prices.min(1) >= low)
    rows = rows[usable]
    return unique(rows)


def unique(rows: FloatArray) -> FloatArray:
    """In order of time; of bars that open at the same time the last given."""
    _, first_from_end = np.unique(rows[::-1, 0], return_index=True)
    kept: FloatArray = rows[len(rows) - 1 - first_from_end]
    return kept


def _milliseconds(stamps: FloatArray) -> FloatArray:
    millis, micros = LATEST_SECOND * 1e3, LATEST_SECOND * 1e6
    scale = np.select(
        [stamps < LATEST_SECOND, stamps < millis, stamps < micros], [1e3, 1.0, 1e-3], 1e-6
    )
    return np.asarray(np.rint(stamps * scale))
