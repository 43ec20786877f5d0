"""Walk-forward back-test: every model on the same origins, refitted only on the past."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.errors import InvalidInput
from models.crypto.adapted import adapted
from models.crypto.candles import Candles, FloatArray, IntArray, Interval
from models.crypto.metrics import SCORED_LEVELS, covered, crps, diebold_mariano, pit
from models.crypto.scale_models import ScaleModels, ScaleName
from models.crypto.series import forward_sums, log_returns
from models.crypto.shapes import (
    GRID,
    KNOTS,
    POOLED_WEIGHT,
    WINDOW,
    independent_counts,
    known_shapes,
    mixed_shape,
)
from models.crypto.tail_tests import TailTest as TailTest
from models.crypto.tail_tests import tail_test
from models.crypto.walked import Walked

Yardstick = Literal["walk"]
TAILS = (0.01, 0.025, 0.05)
LAST_HORIZON = 7
REFIT: dict[Interval, int] = {"1h": 1440, "1d": 60}
"""Bars between refits: the same for all models."""
YARDSTICK_WINDOW: dict[Interval, int] = {"1h": 1200, "1d": 250}
"""Ratios behind the yardsticks' distributions."""
HISTORY: dict[Interval, int] = {"1h": 2500, "1d": 320}
"""Bars that must lie before the first origin."""
MIN_ORIGINS = 30


@dataclass(frozen=True)
class ModelScore:
    """What one model reached.

    Attributes:
        model: Its name.
        crps: Mean over origins and horizons, in log return.
        skill: `1 - crps / crps of GARCH-FHS`.
        dm_t: Diebold-Mariano t against GARCH-FHS; negative is better than it.
        coverage_80: Share of truths inside the 80 % interval as it would have been served:
            calibrated by those truths that had arrived.
        coverage_95: The same of 95 %.
        raw_coverage_80: Share inside the interval as the model gave it.
        raw_coverage_95: The same of 95 %.
        pit: `(20,)`, share of truths per twentieth of the predicted distribution, ideally .05 each.
        tails: One-step tests per level.
        cost_s: CPU seconds.
    """

    model: str
    crps: float
    skill: float
    dm_t: float
    coverage_80: float
    coverage_95: float
    raw_coverage_80: float
    raw_coverage_95: float
    pit: tuple[float, ...]
    tails: tuple[TailTest, ...]
    cost_s: float


@dataclass(frozen=True)
class Backtest:
    """Scores of several models on the same origins of one coin.

    Attributes:
        symbol: Of the coin.
        interval: Length of a step.
        start_ms: First origin.
        end_ms: Last origin.
        stride: Bars between origins.
        n: How many origins.
        horizons: Steps ahead, 1 to this.
        scores: By name; `garch` and `walk` (random walk) are always among them.
        notes: What a reader must know, such as weights that saw this span in training.
    """

    symbol: str
    interval: str
    start_ms: int
    end_ms: int
    stride: int
    n: int
    horizons: int
    scores: Mapping[str, ModelScore]
    notes: tuple[str, ...] = ()


def walk_forward(
    candles: Candles,
    models: Sequence[ScaleName | Literal["auto"]],
    *,
    start_ms: int,
    end_ms: int,
    stride: int,
    horizons: int = LAST_HORIZON,
    market: Candles | None = None,  # for models that may use it
    tick: Callable[[float], None] = lambda _: None,
    scale_models: ScaleModels | None = None,
) -> Backtest:
    """Score models on origins every `stride` bars.

    Args:
        candles: The coin, with at least 2,500 bars before `start_ms` (320 daily ones).
        models: What to score beside GARCH-FHS and the random walk; `auto` is the blend.
        start_ms: First origin: a bar that closes at or after it.
        end_ms: No origin closes after it.
        stride: Bars between origins, coprime with 24: otherwise some hours are never scored.
        horizons: 1 to 7 steps.
        market: Bars of BTC; no model of today uses them.
        tick: Called with the finished part, 0 to 1; may raise `Cancelled`.
        scale_models: Models other than the shipped ones.

    Raises:
        InvalidInput: The stride shares a divisor with 24, or history or origins are too few.
    """
    if market is not None and market.interval != candles.interval:
        raise InvalidInput(f"market has {market.interval} bars; expected {candles.interval}")
    origins = choose_origins(candles, start_ms, end_ms, stride, horizons)
    shipped = scale_models or ScaleModels()
    chosen = list(dict.fromkeys("blend" if name == "auto" else name for name in models))
    names: list[ScaleName | Yardstick] = ["garch", "walk"]
    names += [name for name in chosen if name != "garch"]
    walked = {}
    for place, name in enumerate(names):

        def part(done: float, place: int = place) -> None:
            tick((place + done) / len(names))

        walked[str(name)] = walk(candles, name, origins, horizons, shipped, part)
    closes = candles.opens_at_ms + candles.step_ms
    notes = _notes(shipped, candles, chosen, int(closes[origins[0]]))
    return Backtest(
        symbol=candles.symbol,
        interval=candles.interval,
        start_ms=int(closes[origins[0]]),
        end_ms=int(closes[origins[-1]]),
        stride=stride,
        n=len(origins),
        horizons=horizons,
        scores={
            name: _score(name, found, walked["garch"], stride) for name, found in walked.items()
        },
        notes=notes,
    )


def choose_origins(
    candles: Candles, start_ms: int, end_ms: int, stride: int, horizons: int
) -> IntArray:
    """Rows of the origins.

    Raises:
        InvalidInput: As of `walk_forward`.
    """
    if stride < 1 or (candles.interval == "1h" and math.gcd(stride, 24) != 1):
        raise InvalidInput(
            f"stride is {stride}; expected a number above 0 without a common divisor with 24, "
            "such as 1, 5, 7 or 17: otherwise some hours of the day are never scored"
        )
    if not 1 <= horizons <= LAST_HORIZON:
        raise InvalidInput(f"horizons is {horizons}; expected 1 to {LAST_HORIZON}")
    closes = candles.opens_at_ms + candles.step_ms
    first = int(np.searchsorted(closes, start_ms))
    if first < HISTORY[candles.interval]:
        raise InvalidInput(
            f"{candles.symbol}: {first} bars lie before the start; expected "
            f"{HISTORY[candles.interval]}: begin later or give more history"
        )
    end = min(int(np.searchsorted(closes, end_ms, "right")), len(candles) - horizons)
    origins = np.arange(first, end, stride)
    if len(origins) < MIN_ORIGINS:
        raise InvalidInput(
            f"{candles.symbol}: {len(origins)} origins; expected {MIN_ORIGINS} or more: "
            "give a longer span or a smaller stride"
        )
    return origins


def walk(
    candles: Candles,
    name: ScaleName | Yardstick,
    origins: IntArray,
    horizons: int,
    models: ScaleModels,
    tick: Callable[[float], None] = lambda _: None,
) -> Walked:
    """Forecast from every origin, with coefficients refitted every `REFIT` bars."""
    began = time.process_time()
    knots = KNOTS[candles.interval][:horizons]
    truth = forward_sums(log_returns(candles), knots)
    blocks = (origins - origins[0]) // REFIT[candles.interval]
    curves = []
    for block in range(int(blocks[-1]) + 1):
        rows = origins[blocks == block]
        if len(rows):
            curves.append(_block(candles, name, rows, truth, models))
        tick((block + 1) / (int(blocks[-1]) + 1))
    cost_s = time.process_time() - began
    return Walked(origins, np.concatenate(curves), truth[origins], cost_s)


def _block(
    candles: Candles,
    name: ScaleName | Yardstick,
    rows: IntArray,
    truth: FloatArray,
    models: ScaleModels,
) -> FloatArray:
    interval, count = candles.interval, truth.shape[1]
    knots = KNOTS[interval][:count]
    known, end = int(rows[0]) + 1, int(rows[-1]) + 1
    if name == "walk":
        return known_shapes(truth, rows, knots, YARDSTICK_WINDOW[interval])
    since = max(0, known - WINDOW[interval] - int(knots[-1]) - 1)
    scales = models.scales(name, candles.part(0, end), known, since)[:, :count]
    ratios = truth[:end] / scales
    if name == "garch":
        shapes = known_shapes(ratios, rows, knots, YARDSTICK_WINDOW[interval])
    else:
        own = known_shapes(ratios, rows, knots, WINDOW[interval])
        counts = independent_counts(known, knots, WINDOW[interval])
        pooled = models.pool(interval).shape[:count]
        shapes = mixed_shape(own, pooled, counts, POOLED_WEIGHT[interval])
    return np.asarray(shapes * scales[rows][:, :, None])


def scored_columns() -> IntArray:
    """Where the scored levels stand in `GRID`."""
    return np.array([int(np.argmin(np.abs(GRID - level))) for level in SCORED_LEVELS])


def losses(walked: Walked) -> FloatArray:
    """CRPS per origin and horizon, `(m, H)`."""
    return crps(walked.curves[..., scored_columns()], walked.truth)


def coverage(walked: Walked, level: float) -> float:
    """Share of truths inside the central interval, over all origins and horizons."""
    return float(covered(walked.curves, walked.truth, level, GRID).mean())


def tails_of(walked: Walked) -> tuple[TailTest, ...]:
    """One-step tests of each level of loss."""
    columns = [int(np.argmin(np.abs(GRID - level))) for level in TAILS]
    return tuple(
        tail_test(walked.truth[:, 0] < walked.curves[:, 0, column], level)
        for column, level in zip(columns, TAILS, strict=True)
    )


def _score(name: str, walked: Walked, reference: Walked, stride: int) -> ModelScore:
    loss, yardstick = losses(walked), losses(reference)
    served = adapted(walked)
    lags = math.ceil(walked.truth.shape[1] / stride)
    return ModelScore(
        model=name,
        crps=float(loss.mean()),
        skill=1 - float(loss.mean() / yardstick.mean()),
        dm_t=diebold_mariano(loss.mean(1), yardstick.mean(1), lags),
        coverage_80=coverage(served, 0.8),
        coverage_95=coverage(served, 0.95),
        raw_coverage_80=coverage(walked, 0.8),
        raw_coverage_95=coverage(walked, 0.95),
        pit=tuple(pit(walked.curves, walked.truth, GRID).tolist()),
        tails=tails_of(walked),
        cost_s=walked.cost_s,
    )


def _notes(
    models: ScaleModels, candles: Candles, chosen: Sequence[ScaleName], start_ms: int
) -> tuple[str, ...]:
    if all(name == "garch" for name in chosen):
        return ()
    if start_ms >= models.pool(candles.interval).trained_until_ms:
        return ()
    return (
        "the learned weights were trained on bars after the start of this back-test: the skill of "
        "models that use them may be flattered",
    )
