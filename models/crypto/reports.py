"""What the other routes of the crypto capability take and give: mood, risk, coins, record, back-test."""

from typing import Literal

from pydantic import Field

from models.core.capability import Value
from models.crypto.schema import MAX_BARS, Bar, Interval, Provenance, Record, Symbol


class SentimentRequest(Value):
    """What people say of a coin."""

    symbol: Symbol
    window_h: float = Field(48.0, ge=1, le=336, description="how far back to look, hours")
    half_life_h: float = Field(12.0, ge=0.5, le=168, description="after this a text counts half")


class SourceVoice(Value):
    """What one source contributed."""

    source: str
    state: Literal["fresh", "cached", "failed", "off"]
    texts: int = Field(0, description="in the window, of any coin")
    linked: int = Field(0, description="of this coin, without duplicates")
    score: float | None = None
    newest_age_h: float | None = None
    fetched_age_s: float | None = None
    error: str | None = None


class Headline(Value):
    """One text that counted."""

    source: str
    title: str
    link: str | None
    age_h: float
    score: float = Field(description="-1 to 1")
    weight: float = Field(description="share of the whole score")


class Mood(Value):
    """The Fear & Greed index of the whole market, alternative.me."""

    value: int = Field(ge=0, le=100)
    label: str
    age_h: float


class SentimentResult(Value):
    """Score of a coin, or that there is nothing to score."""

    symbol: str
    score: float | None = Field(description="-1 to 1; absent where nothing was found: not neutral")
    standard_error: float | None
    n: int
    effective_n: float = Field(description="after time decay")
    coverage: Literal["none", "thin", "fair", "good"]
    classifier: str
    market_mood: Mood | None
    sources: tuple[SourceVoice, ...]
    headlines: tuple[Headline, ...]
    degraded: tuple[str, ...] = ()


class RiskRequest(Value):
    """What holding a coin risks."""

    symbol: Symbol
    interval: Interval = "1d"
    allow_synthetic: bool = True


class TailTestResult(Value):
    """Whether losses beyond the level came as often as promised, and not in clusters."""

    n: int
    violations: int
    kupiec_p: float
    christoffersen_p: float


class TailRiskResult(Value):
    """Value at risk and expected shortfall, as parts of the price."""

    confidence: float
    steps: int
    value_at_risk: float
    expected_shortfall: float
    tested: TailTestResult


class GradePartResult(Value):
    """One part of the grade; `score` runs from 0 (calm) to 100 (wild)."""

    name: str
    value: float | None
    score: float | None
    weight: float
    meaning: str


class RiskResult(Value):
    """The risk of one coin, measured on its own past."""

    symbol: str
    interval: Interval
    made_at_ms: int
    tails: tuple[TailRiskResult, ...]
    realised_volatility: float = Field(description="per year, of the last 30 days")
    forecast_volatility: float = Field(description="per year, of the next 7 steps")
    drawdown: float
    worst_drawdown: float
    p_drawdown_10: float = Field(description="chance of a fall by 10 % within 7 steps")
    beta_to_btc: float | None
    correlation_to_btc: float | None
    usd_volume_per_day: float | None
    bars: int
    missing_bars: int
    grade: str
    score: float
    parts: tuple[GradePartResult, ...]
    provenance: Provenance
    synthetic: bool
    degraded: tuple[str, ...] = ()


class CoinsRequest(Value):
    """Which coins there are."""

    search: str = Field("", max_length=40, description="part of a symbol or a name")


class CoinCard(Value):
    """One coin."""

    symbol: str
    name: str
    coingecko_id: str
    kept_from: dict[str, int] = Field(
        description="by venue, opening of the first bar on this machine, Unix milliseconds"
    )


class CoinsResult(Value):
    """Coins that are known by name; symbols that exchanges list besides work too."""

    coins: tuple[CoinCard, ...]
    sources: tuple[str, ...] = Field(description="in the order in which they are asked")
    intervals: tuple[str, ...] = ("1h", "1d")


class ScorecardRequest(Value):
    """Filters of the record."""

    symbol: Symbol | None = None
    interval: Interval | None = None
    model: str | None = Field(None, max_length=40)
    market: Literal["real", "synthetic", "request"] = Field(
        "real", description="request: forecasts of candles that you sent"
    )


class ScoreRow(Value):
    """The record of one model on one coin."""

    symbol: str
    interval: Interval
    model: str
    record: Record


class ScorecardResult(Value):
    """Every forecast served, scored when its truth arrived; nothing is left out."""

    market: str
    served: int = Field(description="forecasts ever put on record")
    pending: int = Field(description="steps whose truth is still to come")
    scored: int
    missing_truth: int
    removed: int = Field(
        description="the oldest forecasts, of which only the counts above are left: the record had "
        "grown too old or too long"
    )
    since_s: float | None = Field(description="Unix time of the first forecast on record")
    rows: tuple[ScoreRow, ...]
    degraded: tuple[str, ...] = ()


class BacktestRequest(Value):
    """A walk-forward test on past candles."""

    symbol: Symbol = "BTC"
    interval: Interval = "1h"
    models: tuple[Literal["har", "lstm", "patch", "blend"], ...] = Field(("har",), max_length=4)
    origins: int = Field(200, ge=50, le=3000, description="how many, the newest")
    stride: int = Field(5, ge=1, le=997, description="bars between origins, coprime with 24")
    horizons: int = Field(7, ge=1, le=7)
    candles: tuple[Bar, ...] = Field((), max_length=MAX_BARS, description="your own bars")
    allow_synthetic: bool = True


class BacktestTail(Value):
    """One-step test of one quantile."""

    level: float
    n: int
    violations: int
    kupiec_p: float
    christoffersen_p: float


class BacktestScore(Value):
    """What one model reached."""

    model: str
    crps: float
    skill: float
    dm_t: float = Field(description="Diebold-Mariano t against GARCH-FHS; negative is better")
    coverage_80: float = Field(description="of the interval as served: adapted to its record")
    coverage_95: float
    raw_coverage_80: float = Field(description="of the interval as the model gave it")
    raw_coverage_95: float
    pit: tuple[float, ...]
    tails: tuple[BacktestTail, ...]
    cost_s: float


class BacktestResult(Value):
    """Scores on the same origins."""

    symbol: str
    interval: Interval
    start_ms: int
    end_ms: int
    stride: int
    n: int
    horizons: int
    scores: tuple[BacktestScore, ...]
    provenance: Provenance
    synthetic: bool
    notes: tuple[str, ...] = ()
