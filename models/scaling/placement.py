"""Which base models to keep loaded, and how often."""

import heapq
from collections.abc import Hashable, Mapping
from typing import TypeVar

ModelT = TypeVar("ModelT", bound=Hashable)

MIN_BUSY = 0.05
CROWDING = 1.3  # those that hold a model are busy together, more than all are on the whole


def copies(
    popularity: Mapping[ModelT, float], replicas: int, slots_per_replica: int, busy: float
) -> dict[ModelT, int]:
    """How many replicas should hold each model in memory.

    A request finds its model if one of the holders is free. With each busy a share `busy` of the
    time, the copy number c + 1 of a model with popularity w helps w * busy**c of the requests:
    less with every copy, so taking the largest gain each time is optimal.

    Args:
        popularity: Requests, or seconds of work, by model; any unit.
        replicas: How many there are; a model is at most once in each.
        slots_per_replica: Models that one replica keeps.
        busy: Share of time that a replica works, 0-1.
    """
    busy = min(max(busy, MIN_BUSY), 1 - MIN_BUSY)
    gains = [(-weight, n, model) for n, (model, weight) in enumerate(popularity.items())]
    heapq.heapify(gains)
    found: dict[ModelT, int] = {}
    for _ in range(replicas * slots_per_replica):
        if not gains:
            break
        gain, number, model = heapq.heappop(gains)
        found[model] = found.get(model, 0) + 1
        if found[model] < replicas:
            heapq.heappush(gains, (gain * busy, number, model))
    return found


def missing(
    wanted: Mapping[ModelT, int], held: Mapping[ModelT, int], coming: Mapping[ModelT, int]
) -> list[ModelT]:
    """What too few replicas hold, the most popular first, as often as it is lacking.

    Args:
        wanted: Replicas that should hold each model, the most popular first.
        held: Replicas that hold it.
        coming: Replicas that are loading it.
    """
    return [
        model
        for model, count in wanted.items()
        for _ in range(count - held.get(model, 0) - coming.get(model, 0))
    ]
