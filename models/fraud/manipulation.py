"""Wash trades and spoofing, by what they must do to work.

A wash trade moves nothing: what an account gives away comes back, directly or around a ring (Victor
and Weintraud 2021, arXiv:2102.07001). A spoof is a large order that is shown on one side while a
small one is filled on the other, and taken away right after (CFTC v. Sarao, 2015).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal, NamedTuple

Legs = Mapping[tuple[str, str], "_Leg"]


class Fill(NamedTuple):
    """A trade between two accounts."""

    at_s: float
    buyer: str
    seller: str
    amount: float


class OrderEvent(NamedTuple):
    """Something that happened to an order; `amount` is what is placed, filled or cancelled."""

    at_s: float
    account: str
    order_id: str
    action: Literal["place", "fill", "cancel"]
    side: Literal["buy", "sell"]
    amount: float


@dataclass(frozen=True)
class WashRule:
    """What counts as going in a circle.

    Attributes:
        trades: Least number of trades on every leg.
        margin: Largest share of the volume that does not come back.
        likeness: Largest difference between the quartiles of two legs' amounts.
        longest: Most accounts of a ring.
    """

    trades: int = 4
    margin: float = 0.08
    likeness: float = 0.15
    longest: int = 4


@dataclass(frozen=True)
class SpoofRule:
    """What counts as a spoof.

    Attributes:
        times_median: A large order is so many times the median one.
        fill_within_s: The small order is filled this soon after the large one appears.
        cancel_within_s: The large one is gone this soon after that fill.
        episodes: So many make it a habit.
    """

    times_median: float = 4.0
    fill_within_s: float = 10.0
    cancel_within_s: float = 5.0
    episodes: int = 3


class _Leg(NamedTuple):
    volume: float
    quartiles: tuple[float, float, float]


class _Large(NamedTuple):
    placed_s: float
    side: str
    cancelled_s: float


def wash_groups(
    fills: Iterable[Fill], rule: WashRule = WashRule()
) -> set[frozenset[str]]:  # frozen
    """Groups of accounts among which the traded volume goes in a circle."""
    amounts: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for fill in fills:
        amounts[fill.seller, fill.buyer].append(fill.amount)
    legs = {leg: _leg(made) for leg, made in amounts.items() if len(made) >= rule.trades}
    onward: defaultdict[str, list[str]] = defaultdict(list)
    for giver, taker in legs:
        onward[giver].append(taker)
    found: set[frozenset[str]] = set()
    for giver, taker in legs:
        if giver == taker:
            found.add(frozenset({giver}))
        elif giver < taker or (taker, giver) not in legs:
            found |= _rings([giver, taker], onward, legs, rule)
    return found


def _rings(
    path: list[str], onward: Mapping[str, Sequence[str]], legs: Legs, rule: WashRule
) -> set[frozenset[str]]:
    """Rings that begin with a path, every leg carrying about as much as the first."""
    first = legs[path[0], path[1]]
    found: set[frozenset[str]] = set()
    for taker in onward.get(path[-1], ()):
        if not _alike(first, legs[path[-1], taker], rule):
            continue
        if taker == path[0]:
            found.add(frozenset(path))
        elif taker not in path and len(path) < rule.longest:
            found |= _rings([*path, taker], onward, legs, rule)
    return found


def _leg(amounts: list[float]) -> _Leg:
    low, middle, high = quantiles(amounts, n=4, method="inclusive")
    return _Leg(sum(amounts), (low, middle, high))


def _alike(one: _Leg, other: _Leg, rule: WashRule) -> bool:
    """Whether two legs carry about the same volume, in about the same portions."""
    pairs = zip(one.quartiles, other.quartiles, strict=True)
    return abs(one.volume - other.volume) <= rule.margin * max(one.volume, other.volume) and all(
        abs(a - b) <= rule.likeness * max(a, b) for a, b in pairs
    )


def spoof_episodes(
    events: Sequence[OrderEvent],
    rule: SpoofRule = SpoofRule(),  # frozen
) -> dict[str, int]:
    """How often each account showed a large order just long enough to be filled opposite.

    Args:
        events: In order of time.
        rule: What counts.
    """
    placed = [event for event in events if event.action == "place"]
    if not placed:
        return {}
    limit = rule.times_median * median(event.amount for event in placed)
    large = _unfilled_large(events, limit)
    episodes: defaultdict[str, int] = defaultdict(int)
    for fill in events:
        if fill.action == "fill" and any(
            order.side != fill.side
            and 0 <= fill.at_s - order.placed_s <= rule.fill_within_s
            and 0 <= order.cancelled_s - fill.at_s <= rule.cancel_within_s
            for order in large.get(fill.account, ())
        ):
            episodes[fill.account] += 1
    return dict(episodes)


def spoofers(
    events: Sequence[OrderEvent],
    rule: SpoofRule = SpoofRule(),  # frozen
) -> set[str]:
    """Accounts that make a habit of it."""
    return {a for a, count in spoof_episodes(events, rule).items() if count >= rule.episodes}


def _unfilled_large(events: Sequence[OrderEvent], limit: float) -> dict[str, list[_Large]]:
    placed = {e.order_id: e for e in events if e.action == "place" and e.amount >= limit}
    filled = {e.order_id for e in events if e.action == "fill"}
    large: defaultdict[str, list[_Large]] = defaultdict(list)
    for event in events:
        order = placed.get(event.order_id)
        if event.action == "cancel" and order is not None and event.order_id not in filled:
            large[event.account].append(_Large(order.at_s, order.side, event.at_s))
    return dict(large)
