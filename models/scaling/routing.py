"""Where a request is done first: where its model is, or where it has to be loaded."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Place:
    """A replica, as who sends requests sees it.

    Attributes:
        holds: It has the model of the request in memory.
        in_hand: Requests that it works on, or that wait there.
        models: In its memory.
    """

    holds: bool
    in_hand: int
    models: int = 0


def ranked(
    places: Sequence[Place], *, service_s: float, load_s: float, ahead: int, waited_s: float
) -> list[list[int]]:
    """Which places may take a request, the best first; one of a rank is as good as another.

    A place is done with the request after those before it and, where the model is not in memory, after
    a load. Where that is soonest the request goes, and it waits if there is no room: so a model is
    loaded elsewhere once the wait for those who have it takes longer than the load, and there where the
    fewest others might have to make room. A request that has waited until another place would have been
    done goes anywhere.

    Args:
        places: All replicas.
        service_s: Seconds of work per request; those done side by side share them.
        load_s: Seconds that loading a model takes. Where one of both was not measured yet, those who
            have the model come first, and nobody waits.
        ahead: Requests for the same model that wait for room, and were there before; those who have
            it share them.
        waited_s: So long the request has waited for room.

    Returns:
        Indices of places by rank.
    """
    ahead_of_each = ahead / max(sum(one.holds for one in places), 1)
    if service_s <= 0 or load_s <= 0:
        return _grouped(places, lambda one: (not one.holds, one.in_hand, one.models))
    done_s = [_done_s(one, service_s, load_s, ahead_of_each) for one in places]
    later_s = sorted(set(done_s))[1:2]
    allowed_s = math.inf if later_s and waited_s >= later_s[0] else min(done_s)
    ranks = _grouped(
        places,
        lambda one: (
            _done_s(one, service_s, load_s, ahead_of_each),
            0 if one.holds else one.models,
        ),
    )
    return [rank for rank in ranks if done_s[rank[0]] <= allowed_s]


def _grouped(places: Sequence[Place], key: Callable[[Place], tuple[float, ...]]) -> list[list[int]]:
    order = sorted(range(len(places)), key=lambda n: key(places[n]))
    return [list(rank) for _, rank in groupby(order, key=lambda n: key(places[n]))]


def _done_s(place: Place, service_s: float, load_s: float, ahead: float) -> float:
    if place.holds:
        return (place.in_hand + ahead + 1) * service_s
    return (place.in_hand + 1) * service_s + load_s
