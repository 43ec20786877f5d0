"""Pump-and-dump on a trading pair: the moment at which a crowd starts to buy at any price.

Trades are cut into chunks of some seconds. A chunk is compared with the hours before it: volume and
number of market buys, their suddenness, and the price. The features follow La Morgia et al. 2020,
arXiv:2005.06610: a rush order is a market buy, its fills of the same millisecond counted as one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

FEATURES = (
    "buy_over_mean",
    "buy_over_highest",
    "rush_over_mean",
    "rush_over_highest",
    "rush_minute_over_mean",
    "rush_spread",
    "largest_rush_over_mean",
    "price_over_median",
    "price_step",
    "highest_over_median",
    "price_spread",
    "buy_share",
    "minutes_from_hour",
    "quiet",
)
LONG_S, SHORT_S, SILENT_S = 6 * 3600, 600, 1800
ONSET_BEFORE_S, ONSET_AFTER_S, ONSET_RISE = 120, 60, 0.02


@dataclass(frozen=True)
class Chunks:
    """Trades summed over equal spans of time, `(N,)` each.

    Attributes:
        start_s: Of each chunk, seconds since 1970.
        buy: Value of market buys, in the quote currency.
        sell: Value of market sells.
        rush: Number of market buys.
        largest: Value of the largest market buy.
        last: Price of the last trade, carried on where there is none.
        highest: Highest price.
    """

    start_s: Floats
    buy: Floats
    sell: Floats
    rush: Floats
    largest: Floats
    last: Floats
    highest: Floats


def cut(
    ts_ms: Indices, taker_buy: npt.NDArray[np.bool_], price: Floats, amount: Floats, size_s: int
) -> Chunks:
    """Sum trades, which are in order of time, over chunks of `size_s` seconds."""
    first = ts_ms[0] // 1000 // size_s
    place = ts_ms // 1000 // size_s - first
    count = int(place[-1]) + 1
    value = price * amount
    # Fills of one market order share its millisecond.
    order_starts = np.flatnonzero(np.r_[True, np.diff(ts_ms) > 0])
    bought = np.add.reduceat(np.where(taker_buy, value, 0.0), order_starts)
    largest = np.zeros(count)
    np.maximum.at(largest, place[order_starts], bought)
    highest = np.zeros(count)
    np.maximum.at(highest, place, price)
    seen = np.zeros(count, np.int64)
    np.maximum.at(seen, place, np.arange(len(place)))
    last = price[np.maximum.accumulate(seen)]
    return Chunks(
        start_s=(first + np.arange(count)) * float(size_s),
        buy=_summed(place, np.where(taker_buy, value, 0.0), count),
        sell=_summed(place, np.where(taker_buy, 0.0, value), count),
        rush=_summed(place[order_starts], bought > 0, count),
        largest=largest,
        last=last,
        highest=np.where(highest > 0, highest, last),
    )


def features(chunks: Chunks, size_s: int) -> Floats:
    """What each chunk is like beside the hours before it, `(N, len(FEATURES))`."""
    long, short, minute = LONG_S // size_s, SHORT_S // size_s, max(1, 60 // size_s)
    buy_mean = _before(chunks.buy, long) + 1e-12
    rush_mean = _before(chunks.rush, long) + 0.01
    median = _median_before(chunks.last, short)
    logs = np.log(chunks.last)
    largest_mean = _before(chunks.largest, long) + 1e-12
    into_hour = (chunks.start_s / 60 + 30) % 60 - 30
    columns = (
        np.log1p(chunks.buy / buy_mean),
        chunks.buy / (_highest_before(chunks.buy, long) + 1e-12),
        np.log1p(chunks.rush / rush_mean),
        chunks.rush / (_highest_before(chunks.rush, long) + 1),
        np.log1p(_before(chunks.rush, minute) / rush_mean),
        np.log1p(_spread_before(chunks.rush, short)),
        np.log1p(chunks.largest / largest_mean),
        logs - np.log(median),
        np.diff(logs, prepend=logs[0]),
        np.log(chunks.highest / median),
        _spread_before(logs, short),
        chunks.buy / (chunks.buy + chunks.sell + 1e-12),
        np.abs(into_hour),
        np.log1p(_before((chunks.rush == 0).astype(float), long)),
    )
    return np.column_stack(columns)


def onset(chunks: Chunks, size_s: int, announced_s: float) -> int | None:
    """The chunk in which an announced pump became visible, if it did.

    The first one from two minutes before to one after the announcement whose price is 2 % above
    the median of ten minutes and whose buys are the highest of six hours.
    """
    start_s = chunks.start_s
    near = (start_s >= announced_s - ONSET_BEFORE_S) & (start_s <= announced_s + ONSET_AFTER_S)
    risen = chunks.highest > (1 + ONSET_RISE) * _median_before(chunks.last, SHORT_S // size_s)
    bought = chunks.buy > _highest_before(chunks.buy, LONG_S // size_s)
    found = np.flatnonzero(near & risen & bought)
    return int(found[0]) if len(found) else None


def alerts(scores: Floats, threshold: float, size_s: int) -> Indices:
    """Chunks that raise an alert: above the threshold, half an hour after the last alert or later."""
    raised: list[int] = []
    for chunk in np.flatnonzero(scores >= threshold).tolist():
        if not raised or (chunk - raised[-1]) * size_s >= SILENT_S:
            raised.append(chunk)
    return np.array(raised, np.int64)


def _summed(place: Indices, values: npt.NDArray[np.generic], count: int) -> Floats:
    return np.bincount(place, weights=values, minlength=count).astype(np.float64)


def _windows(values: Floats, width: int) -> npt.NDArray[np.float64]:
    """The `width` values before each one: `(N, width)`, the first value standing in for none."""
    padded = np.r_[np.full(width, values[0]), values[:-1]]
    return np.lib.stride_tricks.sliding_window_view(padded, width)


def _before(values: Floats, width: int) -> Floats:
    sums = np.r_[np.zeros(width + 1), np.cumsum(values)]  # (N + width + 1,)
    end = np.arange(len(values)) + width
    shown = np.minimum(np.arange(len(values)), width)
    return np.asarray((sums[end] - sums[end - width]) / np.maximum(shown, 1))


def _spread_before(values: Floats, width: int) -> Floats:
    variance = _before((values - values.mean()) ** 2, width)
    variance -= _before(values - values.mean(), width) ** 2
    return np.sqrt(np.maximum(variance, 0))


def _highest_before(values: Floats, width: int) -> Floats:
    return np.asarray(_windows(values, width).max(axis=1))


def _median_before(values: Floats, width: int) -> Floats:
    return np.asarray(np.median(_windows(values, width), axis=1))
