"""What an engine does besides running workflows, again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


async def every(pause_s: float, duty: Callable[[], Awaitable[object]]) -> None:
    """Do something again and again, whatever becomes of it."""
    while True:
        await asyncio.sleep(pause_s)
        try:
            await duty()
        except Exception:
            logger.exception("a duty failed", extra={"duty": repr(duty)})
