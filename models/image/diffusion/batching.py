"""Which requests take the next step together.

A newcomer's first step comes with the next turn, whatever else is there. From then on a request
that is in goes on until it is done, the oldest first, and those that do not fit wait: taking turns
would let nobody finish earlier, and would make a new batch, with other adapters, for every step.
Requests that cannot share a forward at all, those of another size for instance, do take turns.
"""

import math
from collections.abc import Callable, Sequence

from models.image.diffusion.running import Running


def next_batch(requests: Sequence[Running], bound: Callable[[Running], int]) -> list[Running]:
    """The requests of the next forward: the most urgent one and those that can share with it.

    Args:
        requests: All that are on their way, at least one, the oldest first.
        bound: Most rows of a forward with this request.

    Returns:
        At least one request; more rows than the bound only if one alone needs them. Those with
        adapters of one rank stand side by side.
    """
    leader = _leader(requests)
    if leader.alone:
        return [leader]
    room = leader.fixed_rows or bound(leader)
    batch: list[Running] = []
    for request in sorted(requests, key=_claim):
        fits = request.rows <= room and request.key == leader.key
        # One that needs a fixed number of rows cannot join a forward of another number; one that
        # does not care may fill what is left of such a forward.
        agrees = request.fixed_rows in (None, leader.fixed_rows)
        if request is leader or (fits and agrees and not request.alone):
            batch.append(request)
            room -= request.rows
    return sorted(batch, key=_rank)


def _leader(requests: Sequence[Running]) -> Running:
    """The oldest request of the group whose turn it is."""
    served: dict[object, int] = {}
    for request in requests:
        group = _group(request)
        served[group] = max(served.get(group, -1), request.turn)

    def urgency(request: Running) -> tuple[int, float, int]:
        last = -1 if request.turn < 0 else served[_group(request)]
        return (*_rush(request), last)

    return min(requests, key=urgency)


def _group(request: Running) -> object:
    """Requests of one group can share forwards."""
    return (request.key, request.fixed_rows, request.alone)


def _claim(request: Running) -> tuple[int, float, bool]:
    """Order within a group where rows are short; who is equal in it comes by age."""
    return (*_rush(request), request.turn >= 0)


def _rush(request: Running) -> tuple[int, float]:
    deadline = math.inf if request.deadline is None else request.deadline
    return (request.priority, deadline)


def _rank(request: Running) -> int:
    return 0 if request.adapters is None else request.adapters.rank
