"""How many steps run at once in a process: the most urgent first, and owners in turn."""

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

Line: TypeAlias = tuple[str, str]
"""An owner, and the capability that its steps wait for."""


class Gate:
    """Lets a number of steps in; of those that wait, the lowest priority number goes first.

    Among equals the owner goes first who was let in longest ago, so that one with a single step
    waits for no queue of another's. What is let in waits again, first come first served, where the
    capability is: `share` keeps that second queue short.

    Args:
        places: Steps at the same time.
        share: Of them, at most so many of one owner in one capability.
    """

    def __init__(self, places: int, share: int | None = None) -> None:
        self._free = places
        self._share = places if share is None else share
        self._held: Counter[Line] = Counter()
        self._waiting: dict[Line, list[tuple[int, int, asyncio.Future[None]]]] = {}
        self._order = itertools.count()
        self._let_in: dict[str, int] = {}

    def running(self, owner: str) -> int:
        """Steps of an owner that have a place."""
        return sum(held for line, held in self._held.items() if line[0] == owner)

    def waiting(self, owner: str) -> int:
        """Steps of an owner that have no place yet."""
        lines = (steps for line, steps in self._waiting.items() if line[0] == owner)
        return sum(not place.done() for steps in lines for _, _, place in steps)

    @asynccontextmanager
    async def place(
        self, priority: int, owner: str = "", capability: str = ""
    ) -> AsyncIterator[None]:
        """Hold a place for the length of the block."""
        line = (owner, capability)
        await self._enter(priority, line)
        try:
            yield
        finally:
            self._leave(line)

    async def _enter(self, priority: int, line: Line) -> None:
        # Where a place is free, those that wait have their share already.
        if self._free > 0 and self._held[line] < self._share:
            self._take(line)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting.setdefault(line, []), (priority, next(self._order), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave(line)  # the place was given in the very moment of the cancellation
            raise

    def _take(self, line: Line) -> None:
        self._free -= 1
        self._held[line] += 1
        self._let_in[line[0]] = next(self._order)

    def _leave(self, line: Line) -> None:
        self._free += 1
        self._held[line] -= 1
        if not self._held[line]:
            del self._held[line]
        while self._free > 0 and (following := self._first()) is not None:
            _, _, place = heapq.heappop(self._waiting[following])
            self._take(following)
            place.set_result(None)

    def _first(self) -> Line | None:
        """Whose step is next; lines in which nobody waits any more are dropped."""
        found: tuple[int, int, int, Line] | None = None
        for line, steps in list(self._waiting.items()):
            while steps and steps[0][2].done():
                heapq.heappop(steps)
            if not steps:
                del self._waiting[line]
            elif self._held[line] < self._share:
                priority, number, _ = steps[0]
                mine = (priority, self._let_in.get(line[0], -1), number, line)
                found = mine if found is None else min(found, mine)
        return None if found is None else found[3]
