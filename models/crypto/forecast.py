"""Forecasts of one coin or many: what a request may ask and what it gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.core.errors import CapabilityError, InvalidInput, ModelUnavailable
from models.crypto.candles import Candles, FloatArray, IntArray, Interval
from models.crypto.quantiles import Quantiles

WEIGHTS = Path(__file__).parent / "weights"
ModelName = Literal["auto", "har", "lstm", "patch", "garch", "blend"]
MAX_HORIZON: dict[Interval, int] = {"1h": 168, "1d": 30}
MIN_BARS = 200
MAX_PATHS = 10_000


@dataclass(frozen=True, eq=False)
class ForecastQuery:
    """What is asked of one coin.

    Attributes:
        candles: Its closed bars; 200 at least, some 6,000 hourly ones or 1,500 daily ones at best.
        horizon_steps: How many bars ahead, 1 to 168 hours or 1 to 30 days.
        levels: Of the quantiles, .01 to .99, increasing.
        model: `auto` takes the best one that the gate admits.
        paths: How many price paths to draw, 0 to 10,000.
        seed: Of the paths.
        market: Bars of BTC at the same interval, which help where they overlap; optional.
    """

    candles: Candles
    horizon_steps: int = 7
    levels: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
    model: ModelName = "auto"
    paths: int = 0
    seed: int = 0
    market: Candles | None = None

    def __post_init__(self) -> None:
        limit = MAX_HORIZON[self.candles.interval]
        if not 1 <= self.horizon_steps <= limit:
            raise InvalidInput(f"horizon_steps is {self.horizon_steps}; expected 1 to {limit}")
        inside = all(0.01 <= level <= 0.99 for level in self.levels)
        if not self.levels or not inside or sorted(set(self.levels)) != list(self.levels):
            raise InvalidInput("levels must increase and lie between .01 and .99")
        if not 0 <= self.paths <= MAX_PATHS:
            raise InvalidInput(f"paths is {self.paths}; expected 0 to {MAX_PATHS}")


@dataclass(frozen=True, eq=False)
class Forecast:
    """The odds of one coin.

    Attributes:
        symbol: Of the coin.
        interval: Length of a step.
        made_at_ms: When the last bar closed: the odds are of returns from this moment.
        last_close_usd: Price at that moment.
        horizons: `(H,)`, 1 to `horizon_steps`.
        levels: `(L,)`, as asked.
        log_return_quantiles: `(H, L)`, not decreasing along `L`; times `last_close_usd` after
            `exp` they are prices.
        p_up: `(H,)`, probability of a price above `last_close_usd`.
        scale: `(H,)`, predicted standard deviation of the log return.
        curve: The whole distribution: `curve.probability_below(log_return)`.
        model: What made it.
        why: Why that model: asked for, chosen by the gate, or all that a short history allows.
        baseline: A random walk whose steps are drawn from the coin's past, unweighted.
        baseline_quantiles: `(H, L)`, of the baseline.
        baseline_p_up: `(H,)`.
        paths: `(paths, H)`, log returns from the last close, or none.
        weights_sha256: Of the learned part, if any took part.
        degraded: What is missing and how it was made up for; empty if nothing is.
    """

    symbol: str
    interval: Interval
    made_at_ms: int
    last_close_usd: float
    horizons: IntArray
    levels: FloatArray
    log_return_quantiles: FloatArray
    p_up: FloatArray
    scale: FloatArray
    curve: Quantiles
    model: str
    why: str
    baseline: Quantiles
    baseline_quantiles: FloatArray
    baseline_p_up: FloatArray
    paths: FloatArray | None = None
    weights_sha256: str | None = None
    degraded: tuple[str, ...] = ()


class Forecaster:
    """Makes forecasts; safe to use from several threads, needs no network.

    Args:
        weights: Folder of the learned models; those that are absent are not offered.
        device: Of torch.
    """

    def __init__(self, weights: Path = WEIGHTS, device: str = "cpu") -> None:
        self._weights = weights
        self._device = device

    def forecast(self, requests: Sequence[ForecastQuery]) -> list[Forecast | CapabilityError]:
        """Answer many at once; a request that fails gives its error in its place."""
        return [ModelUnavailable("the forecaster has no model yet") for _ in requests]
