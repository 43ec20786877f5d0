"""Half a day of trades of a small coin, quiet or with a pump that a crowd was told to buy.

Trades come in clusters and carry a drifting price. Honest excitement is added: single large buyers,
rallies that build up over minutes, sell-offs, and hours in which everything doubles. A pump is a
rush of small market buys within seconds, mostly at a full hour; the price leaps and falls back.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.core.seeds import numpy_generator

HOURS = 12
START_S = 1_767_225_600.0
SPAN_S = HOURS * 3600.0
Random = np.random.Generator
Floats = npt.NDArray[np.float64]


class TapeDay(NamedTuple):
    """Trades in order of time, and when the pump began, if there was one."""

    ts_ms: npt.NDArray[np.int64]
    taker_buy: npt.NDArray[np.bool_]
    price: Floats
    amount: Floats
    pumped_s: float | None


class _Burst(NamedTuple):
    """Trades at seconds since the start, whether they buy, their size, and their push."""

    at_s: Floats
    buy: npt.NDArray[np.bool_]
    amount: Floats
    push: Floats


def tape_day(seed: int, *, pump: bool) -> TapeDay:
    """Trades of one coin."""
    random = numpy_generator(seed, "tape")
    size = random.lognormal(0, 1)
    noise = 0.0006 * random.lognormal(0, 0.5)
    parts = [_usual(random, size, noise)]
    for kind in (_large_buyer, _rally, _sell_off):
        times = random.uniform(0, SPAN_S, random.poisson(1.2))
        parts += [kind(random, float(at_s), size) for at_s in times]
    pumped_s = None
    if pump:
        hour = float(random.integers(7, HOURS - 1)) * 3600
        begins_s = hour + random.uniform(0, 20) if random.random() < 0.85 else hour + 1500
        parts += [_leak(random, begins_s, size), _pump(random, begins_s, size)]
        pumped_s = START_S + begins_s
    return _joined(parts, random, pumped_s)


def _joined(parts: list[_Burst], random: Random, pumped_s: float | None) -> TapeDay:
    at_s, buy, amount, push = (np.concatenate([part[k] for part in parts]) for k in range(4))
    inside = (at_s >= 0) & (at_s < SPAN_S)
    order = np.flatnonzero(inside)[np.argsort(at_s[inside], kind="stable")]
    price = random.lognormal(-6, 2) * np.exp(np.cumsum(push[order]))
    ts_ms = np.round(1000 * (START_S + at_s[order])).astype(np.int64)
    return TapeDay(ts_ms, buy[order], price, amount[order], pumped_s)


def _usual(random: Random, size: float, noise: float) -> _Burst:
    clusters = random.poisson(SPAN_S * random.lognormal(-3.9, 0.7))
    busy = np.sort(random.uniform(0, SPAN_S, 4))
    starts = random.uniform(0, SPAN_S, clusters)
    twice = (starts > busy[1]) & (starts < busy[2])
    starts = np.r_[starts, starts[twice] + random.exponential(30, twice.sum())]
    count = random.geometric(0.45, len(starts))
    at_s = np.repeat(starts, count) + _fills(random, count)
    buy = np.repeat(random.random(len(starts)) < 0.5, count)
    amount = size * random.lognormal(0, 1.3, len(at_s))
    push = np.where(buy, 1, -1) * np.abs(random.normal(0, noise, len(at_s)))
    return _Burst(at_s, buy, amount, push - push.mean())


def _fills(random: Random, count: npt.NDArray[np.int64]) -> Floats:
    """Half of the orders are filled several times in one millisecond, the others over seconds."""
    together = np.repeat(random.random(len(count)) < 0.5, count)
    return np.where(together, 0.0, random.exponential(4, int(count.sum())))


def _large_buyer(random: Random, at_s: float, size: float) -> _Burst:
    count = int(random.integers(5, 40))
    times = at_s + np.zeros(count) + 0.001 * (random.random() < 0.3) * np.arange(count)
    amount = size * random.lognormal(1.5, 0.8, count)
    return _Burst(times, np.full(count, True), amount, np.full(count, random.uniform(0, 4e-4)))


def _rally(random: Random, at_s: float, size: float) -> _Burst:
    count, length_s = int(random.integers(30, 250)), random.uniform(300, 3000)
    times = at_s + np.sort(random.beta(2, 2, count)) * length_s
    buy = random.random(count) < 0.75
    rise = random.uniform(0.01, 0.12)
    push = np.where(buy, rise / count * 1.4, -rise / count)
    return _Burst(times, buy, size * random.lognormal(0.3, 1.2, count), push)


def _sell_off(random: Random, at_s: float, size: float) -> _Burst:
    count = int(random.integers(20, 150))
    times = at_s + np.sort(random.exponential(120, count))
    fall = -random.uniform(0.01, 0.08) / count
    return _Burst(
        times,
        random.random(count) < 0.2,
        size * random.lognormal(0.3, 1, count),
        np.full(count, fall),
    )


def _leak(random: Random, at_s: float, size: float) -> _Burst:
    """Insiders buy in the hour before."""
    count = int(random.integers(0, 60))
    times = at_s - random.exponential(1200, count)
    return _Burst(
        times,
        random.random(count) < 0.9,
        size * random.lognormal(0.5, 1, count),
        np.full(count, 3e-4),
    )


def _pump(random: Random, at_s: float, size: float) -> _Burst:
    rush = int(random.integers(80, 800))
    up_s = random.uniform(15, 90)
    times = at_s + np.sort(random.exponential(up_s / 2, rush))
    rise = random.uniform(0.08, 0.9) / rush
    down = int(rush * random.uniform(0.8, 2))
    after = at_s + up_s + np.sort(random.exponential(300, down))
    fall = -0.8 * rise * rush / down
    at = np.r_[times, after]
    buy = np.r_[random.random(rush) < 0.9, random.random(down) < 0.4]
    amount = size * random.lognormal(0.2, 1.2, rush + down)
    return _Burst(at, buy, amount, np.r_[np.full(rush, rise), np.full(down, fall)])
