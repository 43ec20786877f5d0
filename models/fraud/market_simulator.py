"""A trading day with known wash traders and spoofers among honest accounts.

Honest accounts trade with each other and with market makers; makers quote both sides and replace
quotes after fills; a few large investors place large orders and cancel some of them. Washers close
their circle only nearly: amounts vary, and others now and then take a leg away. Spoofers wait
differently long and sometimes are filled on the large side.
"""

from typing import Literal, NamedTuple

import numpy as np

from models.core.seeds import numpy_generator
from models.fraud.manipulation import Fill, OrderEvent

DAY_S = 86_400.0
Random = np.random.Generator
End = Literal["fill", "cancel"]
Side = Literal["buy", "sell"]


class FillsDay(NamedTuple):
    """Trades, and the accounts that washed."""

    fills: list[Fill]
    washers: set[str]


class BookDay(NamedTuple):
    """Events of the book, and the accounts that spoofed."""

    events: list[OrderEvent]
    spoofers: set[str]


def wash_day(seed: int, *, honest: int = 150, rings: int = 6) -> FillsDay:
    """Trades of one day."""
    random = numpy_generator(seed, "wash")
    names = [f"h{number}" for number in range(honest)]
    makers = [f"m{number}" for number in range(3)]
    weights = random.pareto(1.5, honest) + 0.1
    weights /= weights.sum()
    fills = []
    for _ in range(8_000):
        one = str(random.choice(names, p=weights))
        other = str(random.choice(makers if random.random() < 0.7 else names))
        buyer, seller = (one, other) if random.random() < 0.5 else (other, one)
        if one != other:
            fills.append(
                Fill(random.uniform(0, DAY_S), buyer, seller, float(random.lognormal(0, 1)))
            )
    washers: set[str] = set()
    for number in range(rings):
        members = [f"w{number}-{place}" for place in range(int(random.integers(2, 5)))]
        washers |= set(members)
        fills += _circle(members, names, random)
    return FillsDay(sorted(fills), washers)


def _circle(members: list[str], others: list[str], random: Random) -> list[Fill]:
    fills = []
    stolen = random.uniform(0, 0.06)
    for _ in range(int(random.integers(8, 40))):
        at_s, amount = random.uniform(0, DAY_S), float(random.lognormal(1, 0.3))
        for place, seller in enumerate(members):
            buyer = members[(place + 1) % len(members)]
            if random.random() < stolen:
                buyer = str(random.choice(others))
            at_s += random.exponential(20)
            fills.append(Fill(at_s, buyer, seller, amount * random.uniform(0.97, 1.03)))
    return fills


def book_day(seed: int, *, honest: int = 40, large: int = 8, spoofers: int = 6) -> BookDay:
    """Events of the book on one day."""
    random = numpy_generator(seed, "book")
    day = _Book(random)
    for number in range(honest):
        for _ in range(int(random.integers(20, 80))):
            day.quote(f"h{number}", random.uniform(0, DAY_S), random.lognormal(0, 0.5))
    for number in range(4):
        for _ in range(400):
            day.requote(f"m{number}", random.uniform(0, DAY_S))
    for number in range(large):
        for _ in range(int(random.integers(10, 40))):
            day.invest(f"l{number}", random.uniform(0, DAY_S))
    names = {f"s{number}" for number in range(spoofers)}
    for name in sorted(names):
        patience_s = random.uniform(1, 7)
        for _ in range(int(random.integers(4, 15))):
            day.spoof(name, random.uniform(0, DAY_S), patience_s)
    return BookDay(sorted(day.events), names)


class _Book:
    def __init__(self, random: Random) -> None:
        self.events: list[OrderEvent] = []
        self._random = random

    def quote(self, account: str, at_s: float, amount: float, filled: float = 0.5) -> None:
        order, side = self._place(account, at_s, amount)
        action: End = "fill" if self._random.random() < filled else "cancel"
        self._end(account, at_s + self._random.exponential(60), order, action, side, amount)

    def requote(self, account: str, at_s: float) -> None:
        """A maker's two sides: one is filled, the other taken away soon after."""
        amount = self._random.lognormal(0.5, 0.4)
        one, side = self._place(account, at_s, amount)
        other, opposite = self._place(account, at_s, amount, "sell" if side == "buy" else "buy")
        fill_s = at_s + self._random.exponential(8)
        self._end(account, fill_s, one, "fill", side, amount)
        self._end(account, fill_s + self._random.exponential(1), other, "cancel", opposite, amount)

    def invest(self, account: str, at_s: float) -> None:
        """A large order, and a small one of the same account at about that time."""
        self.quote(account, at_s, self._random.lognormal(2.2, 0.3), filled=0.6)
        self.quote(account, at_s + self._random.normal(0, 30), self._random.lognormal(0, 0.5))

    def spoof(self, account: str, at_s: float, patience_s: float) -> None:
        small, side = self._place(account, at_s, self._random.lognormal(0, 0.4))
        amount = self._random.lognormal(2.4, 0.3)
        opposite: Side = "sell" if side == "buy" else "buy"
        large, _ = self._place(account, at_s + 0.5, amount, opposite)
        fill_s = at_s + 0.5 + self._random.exponential(4)
        self._end(account, fill_s, small, "fill", side, 1.0)
        action: End = "fill" if self._random.random() < 0.1 else "cancel"
        end_s = fill_s + self._random.exponential(patience_s / 2)
        self._end(account, end_s, large, action, opposite, amount)

    def _place(
        self, account: str, at_s: float, amount: float, side: Side | None = None
    ) -> tuple[str, Side]:
        chosen: Side = side or ("buy" if self._random.random() < 0.5 else "sell")
        order = f"o{len(self.events)}"
        self.events.append(OrderEvent(at_s, account, order, "place", chosen, float(amount)))
        return order, chosen

    def _end(
        self,
        account: str,
        at_s: float,
        order: str,
        action: End,
        side: Side,
        amount: float,
    ) -> None:
        self.events.append(OrderEvent(at_s, account, order, action, side, float(amount)))
