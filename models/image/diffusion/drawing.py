"""One request in the step engine: its pictures are admitted together and followed to their end."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from PIL import Image

from models.core.capability import Run
from models.image.diffusion.adapters import Adapters
from models.image.diffusion.checkpoint import Checkpoint
from models.image.diffusion.company import keep_apart
from models.image.diffusion.preparation import Wish
from models.image.diffusion.running import Event, Failed, Finished, Running, Stepped
from models.image.picture_files import preview_file
from models.image.schema import ImageRequest

POLL_S = 0.05
STEPPING, DECODING = 0.92, 0.98
"""Progress at the last step, and when everything is decoded."""


class Drawing:
    """Draws the pictures of one request.

    Args:
        checkpoint: That draws them.
        request: As it was sent.
        wish: What it says.
        run: Of its caller.
        reproducible_rows: Rows of every forward on a processor, if it asks for the same bytes
            whatever happens.

    Attributes:
        timings_s: Seconds until the text was read, the first step and the last one were done, and
            all was decoded.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        request: ImageRequest,
        wish: Wish,
        run: Run,
        reproducible_rows: int,
    ) -> None:
        self.timings_s: dict[str, float] = {}
        self._checkpoint, self._request = checkpoint, request
        self._wish, self._run = wish, run
        self._reproducible_rows = reproducible_rows
        self._started = time.perf_counter()
        self._inbox: queue.SimpleQueue[tuple[int, Event]] = queue.SimpleQueue()
        self._pictures: dict[int, Image.Image] = {}

    def pictures(self, seeds: Sequence[int], adapters: Adapters | None) -> list[Image.Image]:
        """The pictures, in the order of the seeds.

        Raises:
            CapabilityError: As the engine ends a request, or its caller.
        """
        deadline = self._request.deadline_s
        overdue = None if deadline is None else time.monotonic() + deadline
        running: list[Running] = []
        try:
            for number, one in enumerate(self._prepared(seeds, adapters)):
                one.adapters = None if adapters is None else adapters.network
                if self._request.reproducible:
                    keep_apart(one, self._checkpoint.device, self._reproducible_rows)
                one.priority, one.deadline = self._request.priority, overdue
                one.preview_every = self._request.preview_every
                one.tell = partial(self._hear, number)
                running.append(one)
                self._checkpoint.engine.admit(one)
            self._follow(running)
        finally:
            for one in running:
                self._checkpoint.engine.withdraw(one)
        self._lap("decode")
        self._run.progress(DECODING, "store")
        return [self._pictures[number] for number in range(len(seeds))]

    def _prepared(self, seeds: Sequence[int], adapters: Adapters | None) -> Iterator[Running]:
        preparation = self._checkpoint.preparation
        self._run.progress(0.0, "read")
        with self._holding(self._checkpoint.text_lock):
            text = preparation.text(self._wish, adapters)
        self._lap("read")
        for seed in seeds:
            if self._wish.image is None:
                yield preparation.running(self._wish, text, seed)
            else:
                with self._holding(self._checkpoint.pixel_lock):
                    yield preparation.running(self._wish, text, seed)

    def _hear(self, number: int, event: Event) -> None:
        self._inbox.put((number, event))

    def _follow(self, running: Sequence[Running]) -> None:
        total = sum(len(one.timesteps) for one in running)
        done = 0
        while len(self._pictures) < len(running):
            self._run.check()
            try:
                number, event = self._inbox.get(timeout=POLL_S)
            except queue.Empty:
                continue
            match event:
                case Failed(error):
                    raise error
                case Finished(latents):
                    if done == total:
                        self._lap("steps")
                    with self._holding(self._checkpoint.pixel_lock):
                        self._pictures[number] = self._checkpoint.decoder.picture(latents)
                case Stepped():
                    done += 1
                    if done == 1:
                        self._lap("first_step")
                    self._run.progress(STEPPING * done / total, "steps")
                    self._show(event)

    def _show(self, event: Stepped) -> None:
        # Somebody who is behind with the news gets only the latest.
        if event.estimate is None or not self._inbox.empty():
            return
        with self._holding(self._checkpoint.pixel_lock):
            picture = self._checkpoint.decoder.preview(event.estimate)
        self._run.preview(*preview_file(picture))

    def _lap(self, stage: str) -> None:
        self.timings_s[stage] = time.perf_counter() - self._started

    @contextmanager
    def _holding(self, lock: threading.Lock) -> Iterator[None]:
        """Hold a lock that others may hold for seconds: whoever leaves meanwhile need not wait."""
        while not lock.acquire(timeout=POLL_S):
            self._run.check()
        try:
            yield
        finally:
            lock.release()
