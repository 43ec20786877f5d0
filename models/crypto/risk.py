"""Risk of one coin: tails with their own back-test, volatility, drawdown, liquidity, a grade."""

from dataclasses import dataclass

from models.core.errors import InvalidInput
from models.crypto.backtest import TailTest
from models.crypto.candles import Candles


@dataclass(frozen=True)
class TailRisk:
    """Value at risk and expected shortfall, as positive parts of the price.

    Attributes:
        confidence: .95, .975 or .99.
        steps: Bars ahead.
        value_at_risk: Loss that is exceeded with probability `1 - confidence`.
        expected_shortfall: Mean loss when it is.
        tested: On the coin's own past.
    """

    confidence: float
    steps: int
    value_at_risk: float
    expected_shortfall: float
    tested: TailTest


@dataclass(frozen=True)
class GradePart:
    """One part of the grade: `score` runs from 0 (calm) to 100 (wild)."""

    name: str
    value: float | None
    score: float | None
    weight: float
    meaning: str


@dataclass(frozen=True)
class Risk:
    """What holding the coin risks.

    Attributes:
        symbol: Of the coin.
        made_at_ms: When the last bar closed.
        tails: Per confidence and 1 and 7 steps.
        realised_volatility: Per year, of the last 30 days.
        forecast_volatility: Per year, of the next 7 steps.
        drawdown: From the highest close of the given bars, 0 to 1.
        worst_drawdown: The largest of the given bars.
        p_drawdown_10: Chance of a fall by 10 % from the last close within 7 steps.
        beta_to_btc: Of returns over the last 90 days; none without bars of BTC.
        correlation_to_btc: The same.
        usd_volume_per_day: Median of the last 30 days; none if the source has no volume.
        bars: How many were used.
        missing_bars: Gaps between them.
        grade: A (calm) to E.
        score: 0 to 100, the weighted mean of the parts that could be computed.
        parts: Of the grade.
        degraded: What is missing.
    """

    symbol: str
    made_at_ms: int
    tails: tuple[TailRisk, ...]
    realised_volatility: float
    forecast_volatility: float
    drawdown: float
    worst_drawdown: float
    p_drawdown_10: float
    beta_to_btc: float | None
    correlation_to_btc: float | None
    usd_volume_per_day: float | None
    bars: int
    missing_bars: int
    grade: str
    score: float
    parts: tuple[GradePart, ...]
    degraded: tuple[str, ...] = ()


def risk(candles: Candles, btc: Candles | None = None) -> Risk:
    """Measure the risk of a coin on its own past.

    Raises:
        InvalidInput: Fewer than 200 bars.
    """
    raise InvalidInput("no risk yet")
