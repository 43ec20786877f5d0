"""Progress of an attempt on its way into the journal."""

import asyncio
from typing import Final

from pydantic import JsonValue

from models.workflow.calls import Call
from models.workflow.journal import Journal, StaleEpoch

PROGRESS_PERIOD_S: Final = 0.5


class Progress:
    """Writes the progress of an attempt, at most every half second."""

    def __init__(self, journal: Journal, call: Call, attempt: int) -> None:
        self._journal = journal
        self._call = call
        self._attempt = attempt
        self._latest: tuple[float, str] | None = None
        self._pump: asyncio.Task[None] | None = None

    def tell(self, fraction: float, stage: str) -> None:
        """Take note; called in the event loop of the step."""
        self._latest = (min(1.0, max(0.0, fraction)), stage)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._latest is not None:
            (fraction, stage), self._latest = self._latest, None
            call = self._call
            data: dict[str, JsonValue] = {"fraction": round(fraction, 4), "stage": stage}
            entry = call.run.entry("task.progress", call.task.id, call.item, self._attempt, data)
            try:
                await self._journal.append(entry)
            except StaleEpoch:
                return  # the end of the attempt is refused as well, and says so
            await asyncio.sleep(PROGRESS_PERIOD_S)

    async def stop(self) -> None:
        """Write nothing more: what follows must be the last word on the attempt."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
