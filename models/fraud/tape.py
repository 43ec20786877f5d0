"""What is remembered of one trading pair: six hours of trades, summed over chunks.

Windows of trades may overlap in time and come late; what is older than the memory is dropped.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.fraud.market import LONG_S, Chunks, cut

SIZE_S = 25
KEPT = LONG_S // SIZE_S * 2
WARM_UP_S = 3600
BUY, SELL, RUSH, LARGEST, LAST, HIGHEST = range(6)

Floats = npt.NDArray[np.float64]


class Tape:
    """Chunks of `SIZE_S` seconds by their number since 1970.

    Args:
        chunks: Remembered ones: buys, sells, rush orders, the largest, last and highest price.

    Attributes:
        changed: Numbers of chunks that are not on record as they are; whoever records clears it.
    """

    def __init__(self, chunks: Mapping[int, list[float]] | None = None) -> None:
        self._chunks = dict(chunks or {})
        self.changed: set[int] = set()

    @property
    def oldest(self) -> int:
        """Number of the oldest chunk; there must be one."""
        return min(self._chunks)

    def changes(self) -> list[tuple[int, list[float]]]:
        """The chunks that are not on record as they are."""
        return [(number, self._chunks[number]) for number in sorted(self.changed)]

    def add(
        self, ts_ms: Sequence[int], taker_buy: Sequence[bool], price: Floats, amount: Floats
    ) -> tuple[int, int]:
        """Take in trades, in any order; returns the numbers of their first and last chunk."""
        order = np.argsort(np.array(ts_ms, np.int64), kind="stable")
        times = np.array(ts_ms, np.int64)[order]
        made = cut(times, np.array(taker_buy)[order], price[order], amount[order], SIZE_S)
        first = int(made.start_s[0]) // SIZE_S
        traded = np.unique(times // 1000 // SIZE_S - first)
        for place in traded.tolist():
            self._join(first + place, _values(made, place))
            self.changed.add(first + place)
        last = first + int(traded[-1])
        newest = max(self._chunks)
        for number in [each for each in self._chunks if each <= newest - KEPT]:
            del self._chunks[number]
            self.changed.discard(number)
        return max(first, newest - KEPT + 1), last

    def chunks(self) -> Chunks:
        """Everything remembered, without gaps."""
        numbers = sorted(self._chunks)
        first, count = numbers[0], numbers[-1] - numbers[0] + 1
        table = np.zeros((count, 6))
        table[:, LAST] = np.nan
        for number in numbers:
            table[number - first] = self._chunks[number]
        seen = np.maximum.accumulate(np.where(np.isnan(table[:, LAST]), 0, np.arange(count)))
        last = table[seen, LAST]
        return Chunks(
            start_s=np.arange(first, first + count, dtype=np.float64) * SIZE_S,
            buy=table[:, BUY],
            sell=table[:, SELL],
            rush=table[:, RUSH],
            largest=table[:, LARGEST],
            last=last,
            highest=np.where(table[:, HIGHEST] > 0, table[:, HIGHEST], last),
        )

    def _join(self, number: int, values: list[float]) -> None:
        before = self._chunks.get(number)
        if before is None:
            self._chunks[number] = values
            return
        for name in (BUY, SELL, RUSH):
            before[name] += values[name]
        before[LARGEST] = max(before[LARGEST], values[LARGEST])
        before[HIGHEST] = max(before[HIGHEST], values[HIGHEST])
        before[LAST] = values[LAST]


def _values(made: Chunks, place: int) -> list[float]:
    columns = (made.buy, made.sell, made.rush, made.largest, made.last, made.highest)
    return [float(column[place]) for column in columns]
