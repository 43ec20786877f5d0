"""Numbers on accounts that may trade in circles or spoof, for a model that weighs them.

Candidates are found by loose rules of `models.fraud.manipulation`; the numbers then tell how well
the circle closes, and how much of a habit the vanishing orders are.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from statistics import median

from models.fraud.manipulation import (
    Fill,
    OrderEvent,
    SpoofRule,
    WashRule,
    spoof_episodes,
    wash_groups,
)

LOOSE_WASH = WashRule(trades=3, margin=0.2, likeness=0.35)
LOOSE_SPOOF = SpoofRule(times_median=3.0, fill_within_s=20.0, cancel_within_s=10.0)
STRICT_SPOOF = SpoofRule()

WASH_FEATURES = (
    "accounts",
    "trades_inside",
    "least_trades_of_a_leg",
    "imbalance",
    "share_inside",
    "difference_of_medians",
)
SPOOF_FEATURES = (
    "episodes",
    "strict_episodes",
    "orders",
    "large_orders",
    "share_of_large_cancelled",
    "cancel_after_s",
)


def wash_evidence(fills: Sequence[Fill]) -> dict[frozenset[str], list[float]]:
    """Groups among which volume may go in a circle: values of `WASH_FEATURES`."""
    groups = wash_groups(fills, LOOSE_WASH)
    total: defaultdict[str, float] = defaultdict(float)
    legs: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for fill in fills:
        total[fill.buyer] += fill.amount
        total[fill.seller] += fill.amount
        legs[fill.seller, fill.buyer].append(fill.amount)
    return {group: _wash_row(group, legs, total) for group in groups}


def _wash_row(
    group: Collection[str], legs: dict[tuple[str, str], list[float]], total: dict[str, float]
) -> list[float]:
    inside = {
        (giver, taker): legs[giver, taker]
        for giver in group
        for taker in group
        if (giver, taker) in legs
    }
    given: defaultdict[str, float] = defaultdict(float)
    taken: defaultdict[str, float] = defaultdict(float)
    for (giver, taker), amounts in inside.items():
        given[giver] += sum(amounts)
        taken[taker] += sum(amounts)
    volume = sum(given.values())
    busy = [amounts for amounts in inside.values() if len(amounts) >= LOOSE_WASH.trades]
    medians = [median(amounts) for amounts in busy]
    return [
        float(len(group)),
        float(sum(map(len, inside.values()))),
        float(min(map(len, busy))),
        max(abs(given[a] - taken[a]) / max(given[a] + taken[a], 1e-12) for a in group),
        2 * volume / max(sum(total[a] for a in group), 1e-12),
        (max(medians) - min(medians)) / max(medians),
    ]


def spoof_evidence(events: Sequence[OrderEvent]) -> dict[str, list[float]]:
    """Accounts with orders that vanished in time: values of `SPOOF_FEATURES`."""
    loose, strict = spoof_episodes(events, LOOSE_SPOOF), spoof_episodes(events, STRICT_SPOOF)
    placed = {event.order_id: event for event in events if event.action == "place"}
    limit = LOOSE_SPOOF.times_median * median(e.amount for e in placed.values()) if placed else 0
    orders: defaultdict[str, int] = defaultdict(int)
    large: defaultdict[str, int] = defaultdict(int)
    waits: defaultdict[str, list[float]] = defaultdict(list)
    for order in placed.values():
        orders[order.account] += 1
        large[order.account] += order.amount >= limit
    for event in events:
        first = placed.get(event.order_id)
        if event.action == "cancel" and first is not None and first.amount >= limit:
            waits[event.account].append(event.at_s - first.at_s)
    return {
        account: [
            float(count),
            float(strict.get(account, 0)),
            float(orders[account]),
            float(large[account]),
            len(waits[account]) / max(1, large[account]),
            median(waits[account]) if waits[account] else -1.0,
        ]
        for account, count in loose.items()
    }
