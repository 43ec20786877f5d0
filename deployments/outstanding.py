"""What this process sent to replicas and has no answer to, told to the ledger of the policy."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import ray

from deployments.ledger import Sent, find_ledger
from models.scaling.snapshot import MANY

logger = logging.getLogger(__name__)

PERIOD_S = 1.0
QUIET_S = 30.0  # over which Serve averages what it counts
ANSWER_S = 2.0

Find: TypeAlias = Callable[[str], Any]


class Outstanding:
    """Requests without an answer, by deployment.

    Serve tells its policy how many requests wait, not of what kind. Who sent them knows, and tells
    once a second while there are any; a request that is answered within a second is never told of.

    Args:
        app_name: Of the application whose ledger is told.
        find: Gives the ledger, and raises `ValueError` while there is none.
    """

    def __init__(self, app_name: str, find: Find = find_ledger) -> None:
        self._app_name = app_name
        self._find = find
        self._who = uuid4().hex
        self._sent: dict[str, dict[int, Sent]] = {}
        self._next = 0
        self._ledger: Any = None
        self._telling: asyncio.Task[None] | None = None

    @contextmanager
    def one(self, deployment: str, kind: str) -> Iterator[None]:
        """One request, from sending it to its answer; needs a running event loop."""
        number, self._next = self._next, self._next + 1
        pending = self._sent.setdefault(deployment, {})
        pending[number] = (time.time(), kind)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())
        try:
            yield
        finally:
            del pending[number]

    def pending(self) -> Mapping[str, tuple[Sent, ...]]:
        """When each was sent, and its kind, the oldest first."""
        return {name: tuple(sent.values())[:MANY] for name, sent in self._sent.items()}

    async def _tell(self) -> None:
        """Tell until there has been nothing for so long that Serve's averages say so too."""
        await asyncio.sleep(PERIOD_S)
        quiet_s = 0.0 if any(self._sent.values()) else QUIET_S
        while quiet_s < QUIET_S:
            await self._tell_once(self.pending())
            await asyncio.sleep(PERIOD_S)
            quiet_s = 0.0 if any(self._sent.values()) else quiet_s + PERIOD_S

    async def _tell_once(self, pending: Mapping[str, tuple[Sent, ...]]) -> None:
        """Without a ledger nobody knows the kinds, and Serve's counts alone decide."""
        try:
            if self._ledger is None:
                self._ledger = await asyncio.to_thread(self._find, self._app_name)
            async with asyncio.timeout(ANSWER_S):
                await self._ledger.hear.remote(self._who, pending)
        except (ValueError, TimeoutError, ray.exceptions.RayError) as error:
            self._ledger = None
            logger.debug("ledger not told", extra={"error": type(error).__name__})
