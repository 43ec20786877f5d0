"""What a run tells of itself on its way from the worker thread to one reader in the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

PERIOD_S: Final = 0.2


@dataclass(frozen=True)
class Sign:
    """A sign of life of a run.

    Attributes:
        fraction: Of the work that is done, 0-1.
        stage: What is being done.
        preview: What the result looks like so far; `None` where nothing new can be shown.
        media_type: Of the preview.
    """

    fraction: float = 0.0
    stage: str = ""
    preview: bytes | None = None
    media_type: str = ""


class Signs:
    """The latest sign of a run: a reader that is slower than the run misses what was between.

    Built in the event loop of the reader; told from any thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self._lock = threading.Lock()
        self._latest = Sign()
        self._is_new = False

    def progress(self, fraction: float, stage: str) -> None:
        """Take note of how far the run is."""
        with self._lock:
            self._note(replace(self._latest, fraction=min(1.0, max(0.0, fraction)), stage=stage))

    def preview(self, content: bytes, media_type: str) -> None:
        """Take note of what the result looks like so far."""
        with self._lock:
            self._note(replace(self._latest, preview=content, media_type=media_type))

    def _note(self, sign: Sign) -> None:
        self._latest = sign
        if not self._is_new:  # else the reader has been woken already
            self._is_new = True
            self._loop.call_soon_threadsafe(self._told.set)

    def _take(self) -> Sign | None:
        with self._lock:
            if not self._is_new:
                return None
            self._is_new, sign = False, self._latest
            self._latest = replace(sign, preview=None, media_type="")
            return sign

    async def until(self, work: "asyncio.Future[Any]") -> AsyncIterator[Sign]:
        """Signs until the work is done, a few a second, the last one always."""
        work.add_done_callback(lambda _: self._told.set())
        while not work.done():
            await self._told.wait()
            self._told.clear()
            sign = self._take()
            if sign is not None:
                yield sign
            if not work.done():
                await asyncio.wait({work}, timeout=PERIOD_S)
        sign = self._take()
        if sign is not None:
            yield sign
