"""A task of the provider, from its beginning to its file; found again after a kill."""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from models.core.capability import Run
from models.core.durable import full_disk_is_named, write_atomically
from models.core.errors import (
    Cancelled,
    CapabilityError,
    InvalidInput,
    ModelUnavailable,
    UpstreamUnavailable,
)
from models.video.runway.options import RunwayOptions
from models.video.runway.provider import Provider, Status

TASK: Final = "runway.json"
CLIP: Final = "runway.mp4"
LOOK_S: Final = 0.1
"""How often a wait is interrupted to see whether the caller left."""
REFUSED_CODES: Final = ("SAFETY", "ASSET.INVALID")
"""In failure codes that say: not this prompt, or not this picture. Source: Runway's API
documentation, task failures."""
FULL: Final = "the disk is full: free some space and ask for the same again, it is not paid twice"

logger = logging.getLogger(__name__)


class Errand:
    """Gets one clip; its task's id is kept in the folder before anything else happens.

    Args:
        provider: Makes it.
        options: How long to wait.
        folder: The clip's own.
        clock: Tells the time.
    """

    def __init__(
        self,
        provider: Provider,
        options: RunwayOptions,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._options, self._clock = provider, options, clock
        self._note, self._clip = folder / TASK, folder / CLIP

    def fetch(self, kind: str, body: Mapping[str, Any], run: Run) -> tuple[Path, float | None]:
        """The file and the credits that it cost.

        Args:
            kind: Route of the provider.
            body: What is asked, if it was not asked yet.
            run: Is polled; once its caller leaves, the task is cancelled.

        Raises:
            Cancelled: The caller left.
            InvalidInput: The provider refuses the prompt or the picture.
            ModelUnavailable: It refuses the key, has no credits, or estimates too many.
            UpstreamUnavailable: It failed, or takes too long.
        """
        task_id, spent = self._known()
        if self._clip.exists():
            return self._clip, spent
        if task_id is None:
            run.check()
            task_id = self._provider.begin(kind, body)
            self._keep(task_id, None)
        try:
            status = self._ended(task_id, run)
        except Cancelled:
            self._drop(task_id)
            raise
        self._keep(task_id, status.credits)
        if status.url is None:
            raise UpstreamUnavailable("the provider finished the clip and gave no link to it")
        run.progress(0.95, "fetching the clip")
        # Links end within a day or two: the file is copied before anything else is done with it.
        content = _fetched(self._provider, status.url, run)
        with full_disk_is_named(FULL):
            write_atomically(self._clip, content)
        return self._clip, status.credits

    def _ended(self, task_id: str, run: Run) -> Status:
        deadline = self._clock() + self._options.timeout_s
        heard = ""
        while True:
            status = self._provider.status(task_id)
            if status.state == "done":
                return status
            if status.state in ("failed", "cancelled", "gone"):
                self._note.unlink(missing_ok=True)
                raise _ending(status)
            self._check_price(task_id, status)
            if status.state == "unknown" and status.word != heard:
                logger.warning("unknown state of a provider's task", extra={"state": status.word})
            heard = status.word
            share = 0.02 + 0.92 * status.progress
            run.progress(share, f"provider: {status.word.lower()}")
            if self._clock() > deadline:
                raise UpstreamUnavailable(
                    f"the provider has not finished within {self._options.timeout_s:.0f} s; ask "
                    "for the same again, its task goes on and is not paid twice",
                    self._options.poll_s,
                )
            self._wait(run)

    def _check_price(self, task_id: str, status: Status) -> None:
        most = self._options.max_credits
        if most is None or status.credits is None or status.credits <= most:
            return
        self._drop(task_id)
        raise ModelUnavailable(
            f"this clip would cost {status.credits:g} credits, options.video.runway.max_credits "
            f"allows {most:g}; it was cancelled"
        )

    def _wait(self, run: Run) -> None:
        # Spread, so that many clips do not ask at the same moment.
        until = self._clock() + self._options.poll_s * random.uniform(1.0, 1.2)  # noqa: S311
        while (left := until - self._clock()) > 0:
            run.check()
            time.sleep(min(LOOK_S, left))
        run.check()

    def _drop(self, task_id: str) -> None:
        """Cancel at the provider, as well as can be; the next attempt begins anew."""
        try:
            self._provider.cancel(task_id)
        except CapabilityError:
            logger.warning("a provider's task could not be cancelled", extra={"task": task_id})
        self._note.unlink(missing_ok=True)

    def _keep(self, task_id: str, spent: float | None) -> None:
        note = json.dumps({"task": task_id, "credits": spent}).encode()
        with full_disk_is_named(FULL):
            write_atomically(self._note, note)

    def _known(self) -> tuple[str | None, float | None]:
        if not self._note.exists():
            return None, None
        note = json.loads(self._note.read_bytes())
        return note["task"], note["credits"]


def _fetched(provider: Provider, url: str, run: Run) -> bytes:
    """The file; who leaves is not kept waiting for it, and finds it again: it is paid."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="runway")
    try:
        pending = pool.submit(provider.fetch, url)
        while not pending.done():
            run.check()
            wait([pending], LOOK_S)
        return pending.result()
    finally:
        pool.shutdown(wait=False)


def _ending(status: Status) -> CapabilityError:
    """Why there is no clip, as the caller sees it."""
    if status.state == "cancelled":
        return UpstreamUnavailable("the clip was cancelled at the provider; ask for it again")
    if status.state == "gone":
        return UpstreamUnavailable(
            "the provider knows nothing of the clip any more; ask for it again"
        )
    told = f"{status.failure or 'no code'}: {status.said or 'no reason'}"
    if any(code in status.failure for code in REFUSED_CODES):
        return InvalidInput(f"the provider refuses the prompt or the picture ({told})")
    return UpstreamUnavailable(f"the provider failed ({told})")
