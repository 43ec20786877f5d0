"""Fits what all coins share: pooled coefficients, pooled shapes, networks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from models.core.errors import InvalidInput
from models.core.seeds import derive, numpy_generator
from models.crypto.candles import Candles, FloatArray, IntArray, Interval
from models.crypto.features import SETTLED, feature_matrix
from models.crypto.har import OUTLIER, Pool, fit_coefficients, log_variance_sums, scales
from models.crypto.networks import (
    CONTEXT,
    MEMBERS,
    LstmScale,
    NetworkName,
    as_rows,
    build_network,
)
from models.crypto.series import forward_sums, log_returns
from models.crypto.shapes import GRID, KNOTS, sorted_quantiles

SEGMENT, BURN_IN = 192, 48
LEAST_BARS: dict[Interval, int] = {"1h": 1500, "1d": 300}


@dataclass(frozen=True)
class Course:
    """How long and how fast a network learns.

    Attributes:
        samples: Bars that are learned from, with repetition, per bar of the training set.
        batch: Sequences or windows per step.
        rate: Highest learning rate.
        decay: Of weights.
    """

    samples: float
    batch: int
    rate: float
    decay: float = 0.01


COURSES: dict[tuple[NetworkName, Interval], Course] = {
    ("lstm", "1h"): Course(8, 32, 3e-3),
    ("lstm", "1d"): Course(4, 16, 1e-3, 0.1),
    ("patch", "1h"): Course(1.5, 256, 1e-3, 0.05),
    ("patch", "1d"): Course(2, 128, 5e-4, 0.1),
}


@dataclass(frozen=True, eq=False)
class Lesson:
    """One coin for the networks.

    Attributes:
        rows: `(n, F)`, standardised features.
        residuals: `(n, K)`, log variance less its pooled forecast; not a number if unknown.
    """

    rows: FloatArray
    residuals: FloatArray


def fit_pool(coins: Sequence[Candles]) -> Pool:
    """Coefficients and shapes of all coins together.

    Args:
        coins: Of one interval.

    Raises:
        InvalidInput: No coin has enough bars.
    """
    interval = coins[0].interval
    long_enough = [coin for coin in coins if len(coin) >= LEAST_BARS[interval]]
    if not long_enough:
        raise InvalidInput(f"no coin has {LEAST_BARS[interval]} bars of {interval}")
    first, knots = SETTLED[interval], KNOTS[interval]
    raw = [feature_matrix(coin)[first:] for coin in long_enough]
    targets = [log_variance_sums(coin, knots)[first:] for coin in long_enough]
    everything = np.concatenate(raw)
    mean, deviation = everything.mean(0), np.maximum(everything.std(0), 1e-6)
    rows = [
        np.column_stack([np.ones(len(x)), np.clip((x - mean) / deviation, -OUTLIER, OUTLIER)])
        for x in raw
    ]
    nothing = np.zeros((rows[0].shape[1], len(knots)))
    nothing[0] = np.nanmean(np.concatenate(targets), axis=0)
    coefficients = fit_coefficients(
        np.concatenate(rows), np.concatenate(targets), interval, nothing, lean=30.0, longest=None
    )
    truth = [forward_sums(log_returns(coin), knots)[first:] for coin in long_enough]
    ratios = np.concatenate([y / scales(x, coefficients) for x, y in zip(rows, truth, strict=True)])
    return Pool(
        interval=interval,
        mean=mean,
        deviation=deviation,
        coefficients=coefficients,
        shape=_pooled_shape(ratios, knots),
        trained_until_ms=max(coin.closed_at_ms for coin in long_enough),
    )


def _pooled_shape(ratios: FloatArray, knots: IntArray) -> FloatArray:
    """Quantiles of all ratios, `(K, G)`, each ratio with its mirror image.

    A pooled trend is that of its years: years to come need not share it. Mirrored, the pool knows
    how far prices move and leaves the direction open.
    """
    out = np.empty((len(knots), len(GRID)))
    for column in range(len(knots)):
        known = ratios[np.isfinite(ratios[:, column]), column]
        out[column] = sorted_quantiles(np.concatenate([known, -known]))
    return out


def lesson_of(coin: Candles, pool: Pool) -> Lesson:
    """What the networks learn of one coin."""
    rows = pool.standardised(coin)
    residuals = log_variance_sums(coin, KNOTS[coin.interval]) - rows @ pool.coefficients
    first = SETTLED[coin.interval]
    return Lesson(as_rows(rows)[first:], residuals[first:])


def fit_members(
    name: NetworkName,
    interval: Interval,
    lessons: Sequence[Lesson],
    seed: int,
    *,
    device: str = "cpu",
    course: Course | None = None,
    tick: Callable[[float], None] = lambda _: None,
) -> list[nn.Module]:
    """Train the members of one network, from other seeds each.

    Args:
        name: Of the network.
        interval: Length of a bar.
        lessons: One per coin.
        seed: Of weights, dropout and order.
        device: Of torch.
        course: Instead of the one of `COURSES`.
        tick: Called with the finished part, 0 to 1.
    """
    chosen = course or COURSES[name, interval]
    members = []
    for index in range(MEMBERS[name]):
        torch.manual_seed(derive(seed, name, interval, index) % 2**63)
        shape = lessons[0].rows.shape[1], lessons[0].residuals.shape[1]
        network = build_network(name, *shape).to(device)
        _train(network, lessons, chosen, numpy_generator(seed, name, interval, index), device)
        members.append(network.eval())
        tick((index + 1) / MEMBERS[name])
    return members


def _train(
    network: nn.Module,
    lessons: Sequence[Lesson],
    course: Course,
    generator: np.random.Generator,
    device: str,
) -> None:
    learned = SEGMENT - BURN_IN if isinstance(network, LstmScale) else 1
    span = SEGMENT if isinstance(network, LstmScale) else CONTEXT
    lengths = np.array([max(0, len(lesson.rows) - span + 1) for lesson in lessons])
    total = int(sum(len(lesson.rows) for lesson in lessons) * course.samples)
    steps = max(10, math.ceil(total / (course.batch * learned)))
    rows = [torch.as_tensor(each.rows, dtype=torch.float32, device=device) for each in lessons]
    truth = [
        torch.as_tensor(each.residuals, dtype=torch.float32, device=device) for each in lessons
    ]
    optimiser = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=course.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, course.rate, total_steps=steps)
    network.train()
    for _ in range(steps):
        coins = generator.choice(len(lessons), course.batch, p=lengths / lengths.sum())
        starts = generator.integers(lengths[coins])
        pairs = list(zip(coins.tolist(), starts.tolist(), strict=True))
        x = torch.stack([rows[coin][start : start + span] for coin, start in pairs])
        y = torch.stack(
            [truth[coin][start + span - learned : start + span] for coin, start in pairs]
        )
        optimiser.zero_grad()
        _loss(network(x), y).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()


def _loss(answer: Tensor, truth: Tensor) -> Tensor:
    """Huber loss where the truth is known."""
    answer = answer[:, -truth.shape[1] :] if answer.dim() == 3 else answer[:, None]
    known = torch.isfinite(truth)
    return nn.functional.huber_loss(answer[known], truth[known], delta=2.0)


def intervals_of(coins: Sequence[Candles]) -> list[Interval]:
    """Those that occur, hours first."""
    return [name for name in get_args(Interval) if any(coin.interval == name for coin in coins)]
