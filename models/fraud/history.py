"""What is remembered of one customer or terminal: ordered in event time, summed exactly.

Amounts are whole cents, so that sums do not depend on the order of arrival: the features of a
replayed log equal those of the live stream bit for bit.
"""

import math
from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

HISTORY_S = 90 * 86_400.0
"""No feature looks further back."""

ODD_PERMILLE = 2_500
"""An amount above 2.5 times the usual one is odd, and stays out of the usual."""


class Past(NamedTuple):
    """One accepted payment, as later payments need it.

    Attributes:
        at_s: Event time, seconds since 1970.
        cents: Amount.
        permille: Amount over the customer's usual amount, in thousandths.
    """

    at_s: float
    cents: int
    permille: int


class Report(NamedTuple):
    """A payment that became known as fraud.

    Attributes:
        at_s: Event time of the payment.
        known_at_s: From when on it may influence a decision.
        odd: Its amount was odd for its customer.
    """

    at_s: float
    known_at_s: float
    odd: bool


class History:
    """Payments of one key in event time, with running sums."""

    __slots__ = ("_counted", "_odd", "_squares", "_sums", "_usual", "first_seen", "frauds", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.frauds: list[Report] = []
        self.first_seen: dict[str, float] = {}
        # Entry i sums the first i payments.
        self._sums, self._squares, self._counted = [0], [0], [0]
        self._odd, self._usual = [0], [0]

    def add(self, past: Past) -> None:
        """Insert a payment at its place in event time; a late one shifts those after it."""
        place = bisect_right(self.times, past.at_s)
        odd = past.permille > ODD_PERMILLE
        self.times.insert(place, past.at_s)
        values = (past.cents, past.cents**2, past.permille, int(odd), 0 if odd else past.cents)
        for sums, value in zip(self._all(), values, strict=True):
            sums.insert(place + 1, sums[place] + value)
            for later in range(place + 2, len(sums)):
                sums[later] += value
        if len(self.times) > 64 and self.times[0] < past.at_s - 2 * HISTORY_S:
            self._forget(past.at_s - 1.5 * HISTORY_S)

    def report(self, fraud: Report) -> None:
        """Remember a fraud."""
        insort(self.frauds, fraud)

    def take_back(self, fraud: Report) -> None:
        """Forget a fraud, unless it is forgotten already."""
        if fraud in self.frauds:
            self.frauds.remove(fraud)

    def see(self, mark: str, at_s: float) -> None:
        """Remember since when a device or a country has been known."""
        self.first_seen[mark] = min(at_s, self.first_seen.get(mark, at_s))

    def until(self, at_s: float) -> int:
        """How many payments lie at or before a time."""
        return bisect_right(self.times, at_s)

    def since(self, at_s: float, end: int) -> int:
        """Index of the first payment at or after a time, at most `end`."""
        return bisect_left(self.times, at_s, 0, end)

    def mean(self, start: int, end: int) -> float:
        """Mean amount in cents; NaN for none."""
        return (self._sums[end] - self._sums[start]) / (end - start) if end > start else math.nan

    def deviation(self, start: int, end: int) -> float:
        """Standard deviation in cents; NaN below three payments."""
        count = end - start
        if count < 3:
            return math.nan
        total = self._sums[end] - self._sums[start]
        squares = self._squares[end] - self._squares[start]
        return math.sqrt(max(0, count * squares - total * total)) / count

    def odd(self, start: int, end: int) -> int:
        """How many amounts were odd."""
        return self._odd[end] - self._odd[start]

    def usual(self, start: int, end: int) -> float:
        """Mean of the amounts that were not odd; NaN for none."""
        count = end - start - self.odd(start, end)
        return (self._usual[end] - self._usual[start]) / count if count else math.nan

    def mean_ratio(self, start: int, end: int) -> float:
        """Mean of the amounts over what their customers usually pay; NaN for none."""
        if end <= start:
            return math.nan
        return (self._counted[end] - self._counted[start]) / (end - start) / 1000

    def _all(self) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
        return self._sums, self._squares, self._counted, self._odd, self._usual

    def _forget(self, before_s: float) -> None:
        gone = bisect_left(self.times, before_s)
        del self.times[:gone]
        for sums in self._all():
            del sums[:gone]  # differences of sums stay what they were
        self.frauds = [fraud for fraud in self.frauds if fraud.at_s >= before_s]
