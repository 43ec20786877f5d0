"""Walk-forward back-test: every model on the same origins, refitted only on the past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.core.errors import InvalidInput
from models.crypto.candles import Candles
from models.crypto.forecast import ModelName


@dataclass(frozen=True)
class TailTest:
    """Whether losses beyond a quantile come as often as promised, and not in clusters.

    Attributes:
        level: Of the quantile of returns, such as .05.
        n: Returns that were judged.
        violations: Returns below the quantile.
        kupiec_p: Chance of so unlikely a count if the level is right.
        christoffersen_p: The same of count and independence together.
    """

    level: float
    n: int
    violations: int
    kupiec_p: float
    christoffersen_p: float


@dataclass(frozen=True)
class ModelScore:
    """What one model reached.

    Attributes:
        model: Its name.
        crps: Mean over origins and horizons, in log return.
        skill: `1 - crps / crps of GARCH-FHS`.
        dm_t: Diebold-Mariano t against GARCH-FHS; negative is better than it.
        coverage_80: Share of truths inside the central 80 % interval.
        coverage_95: The same of 95 %.
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
    models: Sequence[ModelName],
    *,
    start_ms: int,
    end_ms: int,
    stride: int,
    horizons: int = 7,
    market: Candles | None = None,
    tick: Callable[[float], None] = lambda _: None,
) -> Backtest:
    """Score models on origins every `stride` bars.

    Args:
        candles: The coin, with at least 2,500 bars before `start_ms` (500 daily ones).
        models: What to score beside GARCH-FHS and the random walk.
        start_ms: First origin.
        end_ms: No origin after it.
        stride: Bars between origins, coprime with 24: otherwise some hours are never scored.
        horizons: 1 to 7 steps.
        market: Bars of BTC, for models that use them.
        tick: Called with the finished part, 0 to 1; may raise `Cancelled`.

    Raises:
        InvalidInput: The stride shares a divisor with 24, or history or origins are too few.
    """
    raise InvalidInput("no back-test yet")
