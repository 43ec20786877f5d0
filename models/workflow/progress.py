"""Progress of an attempt on its way into the journal."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import JsonValue

from models.core.errors import CapabilityError
from models.workflow.calls import Call
from models.workflow.journal import Journal, StaleEpoch

PERIOD_S: Final = 0.5
LONGEST_PERIOD_S: Final = 5.0
PREVIEW_PERIOD_S: Final = 2.0
MAX_INLINE_BYTES: Final = 32 * 1024  # of a preview within its event, as a data URL

Keep = Callable[[bytes, str], Awaitable[str]]


class Progress:
    """Writes the progress of an attempt: often at first, less and less as it goes on.

    Events are kept as long as their run, so an attempt of hours must not leave thousands.

    Args:
        journal: Takes the events.
        call: Whose attempt it is.
        attempt: Its number.
        keep: URL under which a large preview is kept, given its bytes and media type.
    """

    def __init__(self, journal: Journal, call: Call, attempt: int, keep: Keep) -> None:
        self._journal = journal
        self._call = call
        self._attempt = attempt
        self._keep = keep
        self._latest: tuple[float, str] = (0.0, "")
        self._preview: tuple[bytes, str] | None = None
        self._is_new = False
        self._began = time.monotonic()
        self._shown_at = float("-inf")
        self._pump: asyncio.Task[None] | None = None

    def tell(self, fraction: float, stage: str) -> None:
        """Take note; called in the event loop of the step."""
        self._latest = (min(1.0, max(0.0, fraction)), stage)
        self._wake()

    def show(self, content: bytes, media_type: str) -> None:
        """Take note of what the result looks like so far; called in the same loop."""
        self._preview = (content, media_type)
        self._wake()

    def _wake(self) -> None:
        self._is_new = True
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._is_new:
            self._is_new = False
            try:
                await self._write()
            except StaleEpoch:
                return  # the end of the attempt is refused as well, and says so
            elapsed_s = time.monotonic() - self._began
            await asyncio.sleep(min(LONGEST_PERIOD_S, max(PERIOD_S, elapsed_s / 100)))

    async def _write(self) -> None:
        fraction, stage = self._latest
        data: dict[str, JsonValue] = {"fraction": round(fraction, 4), "stage": stage}
        preview = await self._due_preview()
        if preview is not None:
            data["preview"] = preview
        call = self._call
        entry = call.run.entry("task.progress", call.task.id, call.item, self._attempt, data)
        await self._journal.append(entry)

    async def _due_preview(self) -> JsonValue:
        now = time.monotonic()
        pause_s = max(PREVIEW_PERIOD_S, (now - self._began) / 30)
        if self._preview is None or now - self._shown_at < pause_s:
            return None
        (content, media_type), self._preview = self._preview, None
        self._shown_at = now
        if len(content) <= MAX_INLINE_BYTES:
            return {"media_type": media_type, "url": data_url(content, media_type)}
        try:
            url = await self._keep(content, media_type)
        except CapabilityError:
            return None  # no room for what only helps the patience
        return {"media_type": media_type, "url": url}

    async def stop(self) -> None:
        """Write nothing more: what follows must be the last word on the attempt."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])


def data_url(content: bytes, media_type: str) -> str:
    """The bytes as a URL of their own, RFC 2397."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
