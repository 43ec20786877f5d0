"""Which requests take the next step together."""

import math
from collections.abc import Callable, Sequence

from models.image.diffusion.running import Running


def urgency(request: Running) -> tuple[int, float, int]:
    """Order where rows are short: priority, then deadline, then who waited longest.

    A newcomer has waited longest, so that its first step comes with the next turn.
    """
    deadline = math.inf if request.deadline is None else request.deadline
    return (request.priority, deadline, request.turn)


def next_batch(requests: Sequence[Running], bound: Callable[[Running], int]) -> list[Running]:
    """The requests of the next forward: the most urgent one and those that can share with it.

    Args:
        requests: All that are on their way, at least one, the oldest first.
        bound: Most rows of a forward with this request.

    Returns:
        At least one request; more rows than the bound only if one alone needs them.
    """
    ordered = sorted(requests, key=urgency)
    leader = ordered[0]
    if leader.alone:
        return [leader]
    room = leader.fixed_rows or bound(leader)
    batch: list[Running] = []
    for request in ordered:
        fits = request.rows <= room and request.key == leader.key
        # One that needs a fixed number of rows cannot join a forward of another number; one that
        # does not care may fill what is left of such a forward.
        agrees = request.fixed_rows in (None, leader.fixed_rows)
        if request is leader or (fits and agrees and not request.alone):
            batch.append(request)
            room -= request.rows
    return batch
