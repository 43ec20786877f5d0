"""Which models answer now: what an answer that is kept belongs to."""

import asyncio
from typing import Final

from graphs.calls import Calls
from models.core.errors import CapabilityError
from models.workflow.values import digest

FRESH_S: Final = 30.0


class Versions:
    """Identities of the models behind the deployments, at most half a minute old.

    Args:
        calls: Reaches the capabilities.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: dict[str, tuple[float, str]] = {}
        self._asking: dict[str, asyncio.Task[str | None]] = {}

    async def of(self, deployment: str) -> str | None:
        """A digest of name, version and weights of every model; none if no replica answers."""
        known_s, known = self._known.get(deployment, (float("-inf"), ""))
        if asyncio.get_running_loop().time() - known_s < FRESH_S:
            return known
        task = self._asking.get(deployment)
        if task is None:
            task = asyncio.ensure_future(self._ask(deployment))
            self._asking[deployment] = task
            task.add_done_callback(lambda _: self._asking.pop(deployment))
        return await asyncio.shield(task)  # one that leaves must not stop what others wait for

    async def _ask(self, deployment: str) -> str | None:
        asked_s = asyncio.get_running_loop().time()
        try:
            cards = (await self._calls.report(deployment)).cards
        except CapabilityError:
            return None
        found = digest([[card.name, card.version, card.weights_sha256] for card in cards])
        self._known[deployment] = (asked_s, found)
        return found
