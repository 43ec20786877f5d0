"""Accepted runs on their way into the store of checkpoints: the most urgent first, owners in turn."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from models.workflow.registry import Registered

logger = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
POLL_S: Final = 0.01
GIVE_WAY_S: Final = 0.2  # what was accepted begins all the same


class Intake:
    """Holds the runs that this process accepted and has yet to begin.

    Args:
        begin: Begins one; a second time, it does nothing.
        is_busy: Whether somebody waits to be accepted, which goes first for a moment.
    """

    def __init__(
        self, begin: Callable[[Registered], Awaitable[None]], is_busy: Callable[[], bool]
    ) -> None:
        self._begin = begin
        self._is_busy = is_busy
        self._waiting: dict[str, Registered] = {}
        self._beginning: dict[str, str] = {}
        self._order: asyncio.PriorityQueue[tuple[int, int, int, str]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._turn: dict[int, int] = {}
        self._last: dict[tuple[int, str], int] = {}

    @property
    def owners(self) -> dict[str, str]:
        """Owners by run, of all that are here."""
        return {**self._beginning, **{name: run.owner for name, run in self._waiting.items()}}

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._waiting or run_id in self._beginning

    def put(self, run: Registered) -> None:
        """Take a run, unless it is here already."""
        if run.run_id in self:
            return
        self._waiting[run.run_id] = run
        priority = int(run.payload.spec.get("priority", 5)) if run.payload else 0
        # Each owner has one run in each turn: who comes late waits for no queue of another's.
        turn = max(self._turn.get(priority, 0), self._last.get((priority, run.owner), 0)) + 1
        self._last[priority, run.owner] = turn
        self._order.put_nowait((priority, turn, next(self._numbers), run.run_id))

    async def begin(self, run: Registered) -> None:
        """Begin a run at once, whether or not it is here."""
        self._waiting.pop(run.run_id, None)
        self._beginning[run.run_id] = run.owner
        try:
            await self._begin(run)
        finally:
            self._beginning.pop(run.run_id, None)

    async def _give_way(self) -> None:
        for _ in range(int(GIVE_WAY_S / POLL_S)):
            if not self._is_busy():
                return
            await asyncio.sleep(POLL_S)

    async def drain(self) -> None:
        """Begin what comes, for ever; several may do so side by side."""
        while True:
            priority, turn, _, run_id = await self._order.get()
            self._turn[priority] = turn
            await self._give_way()
            run = self._waiting.get(run_id)
            if run is None:
                continue  # somebody could not wait
            try:
                await self.begin(run)
            except Exception:
                logger.exception("a run could not begin", extra={"run_id": run_id})
                await asyncio.sleep(PAUSE_S)
                self.put(run)
