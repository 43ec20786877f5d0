"""What the crypto capability takes and gives: the contract of its routes and workflow steps."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, model_validator

from models.core.artifacts import Asset
from models.core.capability import Value

MAX_SYMBOLS = 256
MAX_BARS = 10_000
MAX_SHOWN_PATHS = 200
MAX_CHARTS = 8
MAX_STEPS = {"1h": 168, "1d": 30}
DEFAULT_STEPS = {"1h": 24, "1d": 7}

Symbol = Annotated[
    str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9]{1,12}$")
]
Interval = Literal["1h", "1d"]
ModelName = Literal["auto", "har", "lstm", "patch", "garch", "blend"]
SourceKind = Literal["request", "files", "store", "market", "stale", "synthetic"]
Level = Annotated[float, Field(ge=0.01, le=0.99)]
Bar = tuple[float, float, float, float, float, float]


class Fallback(Value):
    """A source that was tried in vain, or not tried, and why."""

    source: str
    error: str


class Provenance(Value):
    """Where candles come from, and how good they are."""

    source: SourceKind = Field(
        description="request: yours; files: the operator's; store: kept from an earlier answer of "
        "the venue, nothing newer exists; market: just fetched; stale: kept, newer bars exist but "
        "nobody answered; synthetic: invented"
    )
    venue: str
    synthetic: bool = Field(False, description="invented prices: the network is cut")
    bars: int
    gaps: int = Field(description="bars missing between the first and the last")
    fetched_at_s: float = Field(description="Unix time")
    last_bar_closed_at_ms: int = Field(description="Unix time")
    age_s: float = Field(description="since the last bar closed")
    fallbacks: tuple[Fallback, ...] = Field((), description="sources before this one")
    notes: tuple[str, ...] = ()


def check_steps(interval: str, steps: int | None) -> None:
    """Refuse a horizon that the interval does not have."""
    if steps is not None and not 1 <= steps <= MAX_STEPS[interval]:
        raise ValueError(
            f"horizon_steps is {steps}; expected 1 to {MAX_STEPS[interval]} steps of {interval}"
        )


class PredictRequest(Value):
    """One coin as `symbol`, or up to 256 as `symbols`; a bad one does not spoil the others."""

    symbol: Symbol | None = None
    symbols: tuple[Annotated[str, Field(max_length=40)], ...] = Field((), max_length=MAX_SYMBOLS)
    interval: Interval = "1h"
    horizon_steps: int | None = Field(
        None, description="1-168 hours (24 if absent) or 1-30 days (7)"
    )
    levels: tuple[Level, ...] = Field(
        (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975), min_length=1, max_length=99
    )
    steps: tuple[int, ...] | None = Field(
        None, description="which steps to answer; all up to horizon_steps if absent"
    )
    move_pct: float = Field(
        2.0, gt=0, le=50, description="x of the chance of a move beyond x percent"
    )
    model: ModelName = "auto"
    paths: int = Field(0, ge=0, le=MAX_SHOWN_PATHS, description="price paths to draw, of one coin")
    seed: int = Field(0, ge=0, lt=2**31, description="of the paths")
    candles: dict[Symbol, tuple[Bar, ...]] = Field(
        {},
        max_length=MAX_SYMBOLS,
        description="your own bars by symbol: UTC opening in milliseconds, open, high, low, "
        "close, volume; used instead of any source",
    )
    allow_synthetic: bool = Field(
        True, description="answer from an invented market, marked, if every source is out of reach"
    )
    chart: Literal["none", "svg", "png"] = "none"

    @model_validator(mode="after")
    def _consistent(self) -> "PredictRequest":
        if (self.symbol is None) == (not self.symbols):
            raise ValueError("give either symbol or symbols")
        check_steps(self.interval, self.horizon_steps)
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError("levels must increase")
        last = self.last_step
        if self.steps is not None and (
            not self.steps
            or list(self.steps) != sorted(set(self.steps))
            or not 1 <= self.steps[0] <= self.steps[-1] <= last
        ):
            raise ValueError(f"steps must increase and lie between 1 and {last}")
        if self.paths and self.symbol is None:
            raise ValueError("paths are drawn for one symbol at a time")
        if self.chart != "none" and len(self.symbols) > MAX_CHARTS:
            raise ValueError(f"charts are drawn for up to {MAX_CHARTS} symbols at a time")
        if any(len(bars) > MAX_BARS for bars in self.candles.values()):
            raise ValueError(f"candles: at most {MAX_BARS} bars of a symbol")
        return self

    @property
    def last_step(self) -> int:
        """How far ahead the odds reach."""
        return self.horizon_steps or DEFAULT_STEPS[self.interval]

    @property
    def wanted(self) -> tuple[str, ...]:
        """The symbols in order, as they were written."""
        return self.symbols if self.symbol is None else (self.symbol,)


class Odds(Value):
    """A distribution per step, in the order of `steps`; the rows of `levels` in the order asked."""

    quantiles_usd: tuple[tuple[float, ...], ...] = Field(description="a row per step")
    p_up: tuple[float, ...] = Field(description="price above the last one")
    p_move: tuple[float, ...] = Field(description="price further than move_pct from the last one")


class Record(Value):
    """How forecasts like this one did so far: of this coin, interval, model and kind of market."""

    n: int = Field(description="steps of forecasts whose truth is known")
    forecasts: int = Field(description="served, the last 2,000 at most")
    missing_truth: int = Field(description="steps whose price never came to be known")
    crps_skill: float | None = Field(
        None, description="1 - CRPS / CRPS of the baseline, on the same steps"
    )
    crps_skill_garch: float | None = Field(None, description="the same over GARCH(1,1)-t FHS")
    n_garch: int = 0
    coverage_80: float | None = None
    coverage_95: float | None = None
    brier_up: float | None = Field(None, description="of p_up; 0.25 is a coin toss")


class Prediction(Value):
    """The odds of one coin."""

    outcome: Literal["forecast"] = "forecast"
    forecast_id: str = Field(description="under this id it is on record")
    symbol: str
    interval: Interval
    last_price_usd: float
    made_at_ms: int = Field(description="close of the last bar, Unix time: steps count from here")
    steps: tuple[int, ...]
    levels: tuple[float, ...]
    odds: Odds
    baseline: Odds = Field(description="a random walk that draws from the coin's own past")
    volatility: tuple[float, ...] = Field(
        description="predicted standard deviation of the log return per step"
    )
    move_pct: float
    model: str
    why: str = Field(description="why this model")
    weights_sha256: str | None
    calibration: str = Field(description="whether interval widths follow the record")
    record: Record
    provenance: Provenance
    synthetic: bool
    degraded: tuple[str, ...] = ()
    paths_usd: tuple[tuple[float, ...], ...] | None = None
    chart: Asset | None = None
    cached: bool = Field(False, description="answered from memory: no newer bar has closed")


class Refused(Value):
    """Why one coin has no forecast."""

    outcome: Literal["refused"] = "refused"
    symbol: str
    code: str
    detail: str


class PredictResult(Value):
    """One answer for each symbol, in the order of the request."""

    results: tuple[Annotated[Prediction | Refused, Discriminator("outcome")], ...]
    disclaimer: str = "Odds, not advice."
