"""Candles: the only input of every crypto model."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.core.errors import InvalidInput

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Interval = Literal["1h", "1d"]

STEP_MS: dict[Interval, int] = {"1h": 3_600_000, "1d": 86_400_000}
MAX_BARS = 200_000
ROUNDING = 1e-9
"""Part of a price by which an aggregate's high may lie under its close."""


@dataclass(frozen=True, eq=False)
class Candles:
    """Closed bars of one coin in US dollars, the oldest first.

    Attributes:
        symbol: Of the coin, such as `BTC`.
        interval: Length of a bar.
        opens_at_ms: `(n,)`, when each bar opened, UTC; increasing, on the grid of the interval.
        open: `(n,)`, like `high`, `low` and `close` above 0.
        high: `(n,)`.
        low: `(n,)`.
        close: `(n,)`.
        volume: `(n,)`, in coins; zeros where the source knows none.
        source: Where they come from.
        synthetic: Whether they are invented; such bars are never mixed with others.

    Raises:
        InvalidInput: Lengths differ, a number is not finite, a price is not positive, bars are not
            in order, or a high or low is not one.
    """

    symbol: str
    interval: Interval
    opens_at_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    source: str
    synthetic: bool = False

    def __post_init__(self) -> None:
        if self.interval not in STEP_MS:
            raise InvalidInput(f"no such interval: {self.interval!r}; expected 1h or 1d")
        times = np.asarray(self.opens_at_ms, np.int64)
        object.__setattr__(self, "opens_at_ms", times)
        for name in ("open", "high", "low", "close", "volume"):
            column = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, column)
            if column.shape != times.shape or column.ndim != 1:
                raise InvalidInput(f"{self.symbol}: {name} has {column.size} of {times.size} bars")
            if not np.isfinite(column).all():
                raise InvalidInput(f"{self.symbol}: {name} holds a number that is not finite")
        if not 0 < times.size <= MAX_BARS:
            raise InvalidInput(f"{self.symbol}: {times.size} bars; expected 1 to {MAX_BARS}")
        self._check_times(times)
        self._check_prices()

    def __len__(self) -> int:
        return len(self.opens_at_ms)

    @property
    def step_ms(self) -> int:
        """Length of a bar."""
        return STEP_MS[self.interval]

    @property
    def closed_at_ms(self) -> int:
        """When the last bar closed."""
        return int(self.opens_at_ms[-1]) + self.step_ms

    @property
    def missing(self) -> int:
        """How many bars are absent between the first and the last."""
        spanned = (int(self.opens_at_ms[-1]) - int(self.opens_at_ms[0])) // self.step_ms + 1
        return spanned - len(self)

    def part(self, first: int, end: int) -> "Candles":
        """Bars `first` to `end - 1`."""
        chosen = slice(first, end)
        return Candles(
            self.symbol,
            self.interval,
            self.opens_at_ms[chosen],
            self.open[chosen],
            self.high[chosen],
            self.low[chosen],
            self.close[chosen],
            self.volume[chosen],
            self.source,
            self.synthetic,
        )

    def _check_times(self, times: IntArray) -> None:
        if (np.diff(times) <= 0).any():
            raise InvalidInput(f"{self.symbol}: bars must be in order of time, each once")
        if (times % self.step_ms != 0).any():
            raise InvalidInput(
                f"{self.symbol}: bars must open on the {self.interval} grid of UTC, in milliseconds"
            )

    def _check_prices(self) -> None:
        bodies = np.stack([self.open, self.close])
        if (self.low <= 0).any() or (bodies <= 0).any():
            raise InvalidInput(f"{self.symbol}: prices must be above 0")
        if (self.volume < 0).any():
            raise InvalidInput(f"{self.symbol}: volume must not be below 0")
        too_high = bodies.max(0) > self.high * (1 + ROUNDING)
        too_low = bodies.min(0) < self.low * (1 - ROUNDING)
        if (too_high | too_low).any():
            raise InvalidInput(
                f"{self.symbol}: low <= open, close <= high does not hold everywhere"
            )
