"""Risk of one coin: tails with their own back-test, volatility, drawdown, liquidity, a grade."""

import math
from dataclasses import dataclass

import numpy as np

from models.core.errors import InvalidInput
from models.crypto.candles import Candles, FloatArray, IntArray
from models.crypto.fitted import Fitted, fit
from models.crypto.forecast import MIN_BARS
from models.crypto.paths import draw_paths
from models.crypto.scale_models import ScaleModels, ScaleName
from models.crypto.series import forward_sums
from models.crypto.shapes import GRID, KNOTS, known_shapes
from models.crypto.tail_tests import TailTest, tail_test

CONFIDENCES = (0.95, 0.975, 0.99)
STEPS = (1, 7)
YEAR_MS = 365.25 * 86_400_000
DAY_MS = 86_400_000
TESTED_WINDOW = 250
"""Ratios behind each tested quantile: all of them older than what is tested."""
LEAST_TESTED = 100
PATHS = 4000
GRADES = ((20.0, "A"), (40.0, "B"), (60.0, "C"), (80.0, "D"), (math.inf, "E"))


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


def risk(candles: Candles, btc: Candles | None = None, models: ScaleModels | None = None) -> Risk:
    """Measure the risk of a coin on its own past.

    Args:
        candles: The coin; some 6,000 hourly or 1,000 daily bars at best.
        btc: Bars of BTC at the same interval, for beta.
        models: Other than the shipped ones.

    Raises:
        InvalidInput: Fewer than 200 bars.
    """
    if len(candles) < MIN_BARS:
        raise InvalidInput(f"{candles.symbol}: {len(candles)} bars; expected {MIN_BARS} or more")
    models = models or ScaleModels()
    degraded = []
    name: ScaleName = "har"
    if lacking := models.missing("har", candles.interval):
        name = "garch"
        degraded.append(f"no learned weights ({lacking}): the yardstick measures")
    fitted = fit(name, candles, models)
    per_year = YEAR_MS / candles.step_ms
    month = max(2, 30 * DAY_MS // candles.step_ms)
    realised = float(np.sqrt(np.mean(fitted.returns[-month:] ** 2) * per_year))
    forecast = float(fitted.scale(np.array([7]))[0] * math.sqrt(per_year / 7))
    drawdowns = 1 - candles.close / np.maximum.accumulate(candles.close)
    paths = draw_paths(fitted.returns, fitted.curve(np.arange(1, 8)), PATHS, seed=0)
    fall = float((paths.min(1) <= math.log(0.9)).mean())
    beta, correlation = _beta(candles, btc, 90 * DAY_MS // candles.step_ms)
    if beta is None:
        degraded.append("no beta: too few bars of BTC at the same times")
    volume = _usd_per_day(candles)
    if volume is None:
        degraded.append("no liquidity: the source knows no volume")
    tails = _tails(candles, fitted, models.scales(name, candles, len(candles)))
    if any(tail.tested.n < LEAST_TESTED for tail in tails):
        degraded.append("short history: the tests of the tails rest on few returns")
    parts = _parts(forecast, tails, float(drawdowns[-1]), beta, volume, candles)
    used = [part for part in parts if part.score is not None]
    score = sum((part.score or 0) * part.weight for part in used) / sum(p.weight for p in used)
    return Risk(
        symbol=candles.symbol,
        made_at_ms=candles.closed_at_ms,
        tails=tails,
        realised_volatility=realised,
        forecast_volatility=forecast,
        drawdown=float(drawdowns[-1]),
        worst_drawdown=float(drawdowns.max()),
        p_drawdown_10=fall,
        beta_to_btc=beta,
        correlation_to_btc=correlation,
        usd_volume_per_day=volume,
        bars=len(candles),
        missing_bars=candles.missing,
        grade=next(grade for limit, grade in GRADES if score < limit),
        score=score,
        parts=parts,
        degraded=tuple(degraded),
    )


def _tails(candles: Candles, fitted: Fitted, scales: FloatArray) -> tuple[TailRisk, ...]:
    truth = forward_sums(fitted.returns, KNOTS[candles.interval])
    found = []
    for steps in STEPS:
        curve = fitted.curve(np.array([steps])).values[0]
        column = int(np.flatnonzero(KNOTS[candles.interval] == steps)[0])
        ratios = truth[:, [column]] / scales[:, [column]]
        for confidence in CONFIDENCES:
            level = 1 - confidence
            quantile = float(np.interp(level, GRID, curve))
            beyond = np.interp((np.arange(50) + 0.5) / 50 * level, GRID, curve)
            found.append(
                TailRisk(
                    confidence=confidence,
                    steps=steps,
                    value_at_risk=max(0.0, -math.expm1(quantile)),
                    expected_shortfall=max(0.0, float(-np.expm1(beyond).mean())),
                    tested=_tested(ratios, steps, level),
                )
            )
    return tuple(found)


def _tested(ratios: FloatArray, steps: int, level: float) -> TailTest:
    """Quantiles of older ratios against newer ones, which do not overlap each other."""
    horizon = np.array([steps])
    first = min(TESTED_WINDOW + steps, len(ratios) // 2)
    origins = np.arange(first, len(ratios) - steps, steps)
    shapes = _shapes(ratios, origins, horizon)
    column = np.array([np.interp(level, GRID, row) for row in shapes])
    return tail_test(ratios[origins, 0] < column, level)


def _shapes(ratios: FloatArray, origins: IntArray, horizon: IntArray) -> FloatArray:
    window = min(TESTED_WINDOW, int(origins[0] - horizon[0]))
    return known_shapes(ratios, origins, horizon, window)[:, 0]


def _beta(candles: Candles, btc: Candles | None, bars: int) -> tuple[float | None, float | None]:
    """Slope and correlation of returns at the same times."""
    if btc is None or btc.interval != candles.interval:
        return None, None
    times, ours, theirs = np.intersect1d(
        candles.opens_at_ms, btc.opens_at_ms, assume_unique=True, return_indices=True
    )
    if len(times) < 60:
        return None, None
    x = np.diff(np.log(btc.close[theirs]))[-bars:]
    y = np.diff(np.log(candles.close[ours]))[-bars:]
    if x.std() == 0 or y.std() == 0:
        return None, None
    correlation = float(np.corrcoef(x, y)[0, 1])
    return correlation * float(y.std() / x.std()), correlation


def _usd_per_day(candles: Candles) -> float | None:
    if not candles.volume.any():
        return None
    per_day = DAY_MS // candles.step_ms
    usd = (candles.volume * candles.close)[-30 * per_day :]
    whole = len(usd) // per_day * per_day
    return float(np.median(usd[-whole:].reshape(-1, per_day).sum(1)))


def _parts(
    volatility: float,
    tails: tuple[TailRisk, ...],
    drawdown: float,
    beta: float | None,
    volume: float | None,
    candles: Candles,
) -> tuple[GradePart, ...]:
    shortfall = next(t for t in tails if t.confidence == 0.99 and t.steps == 7).expected_shortfall
    per_week = shortfall * math.sqrt(7 * DAY_MS / (7 * candles.step_ms))
    gaps = candles.missing / (len(candles) + candles.missing)
    illiquid = None if volume is None else (9.5 - math.log10(max(volume, 1.0))) / 4.5
    return (
        _part("volatility", volatility, (volatility - 0.2) / 1.3, 0.4, "forecast, per year"),
        _part("tail", per_week, (per_week - 0.05) / 0.45, 0.2, "shortfall 99 %, scaled to a week"),
        _part("drawdown", drawdown, drawdown / 0.8, 0.15, "below the highest close"),
        _part("liquidity", volume, illiquid, 0.15, "median of USD traded per day"),
        _part("beta", beta, None if beta is None else beta / 2.0, 0.05, "to BTC"),
        _part("data", gaps, gaps / 0.05, 0.05, "share of bars that are missing"),
    )


def _part(
    name: str, value: float | None, unit: float | None, weight: float, meaning: str
) -> GradePart:
    score = None if unit is None else 100 * min(max(unit, 0.0), 1.0)
    return GradePart(name, value, score, weight, meaning)
