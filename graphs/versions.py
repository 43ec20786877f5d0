"""Which models answer now: what an answer that is kept belongs to, and what can be asked for."""

import asyncio
from dataclasses import dataclass
from typing import Final

from graphs.calls import Calls
from models.core.capability import ModelCard
from models.core.errors import CapabilityError
from models.workflow.values import digest

FRESH_S: Final = 30.0


@dataclass(frozen=True)
class Known:
    """What a replica said of its models.

    Attributes:
        asked_s: When, on the clock of the loop.
        digest: Of name, version and weights of every model.
        cards: The models.
    """

    asked_s: float
    digest: str
    cards: tuple[ModelCard, ...]


class Versions:
    """The models behind the deployments, as they were at most half a minute ago.

    Args:
        calls: Reaches the capabilities.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: dict[str, Known] = {}
        self._asking: dict[str, asyncio.Task[Known | None]] = {}

    async def of(self, deployment: str) -> str | None:
        """A digest of name, version and weights of every model; none if no replica answers."""
        found = await self._found(deployment, FRESH_S)
        return None if found is None else found.digest

    async def cards(self, deployment: str, age_s: float = FRESH_S) -> tuple[ModelCard, ...]:
        """The models as they were at most so long ago; none if no replica answers."""
        found = await self._found(deployment, age_s)
        return () if found is None else found.cards

    async def _found(self, deployment: str, age_s: float) -> Known | None:
        known = self._known.get(deployment)
        if known is not None and asyncio.get_running_loop().time() - known.asked_s < age_s:
            return known
        task = self._asking.get(deployment)
        if task is None:
            task = asyncio.ensure_future(self._ask(deployment))
            self._asking[deployment] = task
            task.add_done_callback(lambda _: self._asking.pop(deployment))
        return await asyncio.shield(task)  # one that leaves must not stop what others wait for

    async def _ask(self, deployment: str) -> Known | None:
        asked_s = asyncio.get_running_loop().time()
        try:
            cards = (await self._calls.report(deployment)).cards
        except CapabilityError:
            return None
        found = digest([[card.name, card.version, card.weights_sha256] for card in cards])
        self._known[deployment] = Known(asked_s, found, cards)
        return self._known[deployment]
