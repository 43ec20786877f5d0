"""The step engine: one thread per checkpoint, one forward per turn, shared by whoever fits.

A request joins at the next turn and leaves the moment it is finished, withdrawn or overdue; no
batch is waited for, neither to fill nor to end.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from models.core.device import is_out_of_memory
from models.core.errors import CapacityExceeded, ModelUnavailable
from models.image.diffusion.batching import next_batch
from models.image.diffusion.company import choose_repeatable_kernels
from models.image.diffusion.forward import Forward
from models.image.diffusion.memory import RowBudget
from models.image.diffusion.running import Failed, Running

RETRY_S = 10.0

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """What the engine has done.

    Attributes:
        calls: Forwards of the network.
        rows: Rows that belonged to requests.
        padding: Rows that belonged to nobody.
        largest_s: Longest turn.
    """

    calls: int = 0
    rows: int = 0
    padding: int = 0
    largest_s: float = 0.0


class StepEngine:
    """Steps every admitted request to its end.

    Args:
        forward: Of the network.
        budget: Bounds the rows of a forward.
        name: Of the thread.
        device: Whose work is awaited, so that turns do not pile up in its queue.
    """

    def __init__(
        self, forward: Forward, budget: RowBudget, name: str = "steps", device: str = "cpu"
    ) -> None:
        self.tally = Tally()
        self._forward, self._budget = forward, budget
        self._pace = _CudaPace() if device == "cuda" else None
        choose_repeatable_kernels(device)
        self._running: list[Running] = []
        self._arrivals: list[Running] = []
        self._wake = threading.Condition()
        self._closed = False
        self._turn = 0
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def admit(self, request: Running) -> None:
        """Let a request join at the next turn; `tell` hears what becomes of it.

        Raises:
            ModelUnavailable: The engine was closed.
        """
        with self._wake:
            if self._closed:
                raise ModelUnavailable("the model is being replaced; ask again", RETRY_S)
            self._arrivals.append(request)
            self._wake.notify()

    def withdraw(self, request: Running) -> None:
        """Let a request leave before the next turn."""
        request.withdrawn = True

    def load(self) -> int:
        """Requests on their way."""
        return len(self._running) + len(self._arrivals)

    def close(self) -> None:
        """End the thread; whoever is still on the way is told to come back."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not (self._arrivals or self._running or self._closed):
                    self._wake.wait()
                self._running += self._arrivals
                self._arrivals = []
                if self._closed:
                    break
            self._leave()
            if self._running:
                self.step(next_batch(self._running, self.bound))
                self._running = [request for request in self._running if not request.finished]
        for request in self._running:
            error = ModelUnavailable("the model is being replaced; ask again", RETRY_S)
            request.tell(Failed(error))

    @torch.inference_mode()
    def step(self, batch: Sequence[Running]) -> None:
        """Take one step of every request of a batch; a failure ends them alone."""
        started = time.monotonic()
        self._turn += 1
        for request in batch:
            request.turn = self._turn
        try:
            predicted = self._predicted(batch)
        except Exception as error:  # noqa: BLE001  # whatever it is, the callers must hear of it
            self._fail(batch, error)
        else:
            parts = torch.split(predicted, [request.rows for request in batch])
            for request, rows in zip(batch, parts, strict=True):
                self._advance(request, rows)
            if self._pace is not None:
                self._pace.wait()
        self.tally.largest_s = max(self.tally.largest_s, time.monotonic() - started)

    def _advance(self, request: Running, rows: torch.Tensor) -> None:
        try:
            request.advance(rows)
        except Exception as error:  # noqa: BLE001  # one request's scheduler is no one else's matter
            self._fail([request], error)

    def _predicted(self, batch: Sequence[Running]) -> torch.Tensor:
        """The network's answer for every row, in as many forwards as the memory demands."""
        fixed = batch[0].fixed_rows
        rows_matter = fixed is not None or batch[0].alone
        area = batch[0].area
        while True:
            most = fixed or (batch[0].rows if batch[0].alone else max(self._budget.bound(area), 1))
            try:
                return self._forward(batch, most, fixed, self._count)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if most == 1 or rows_matter:
                    raise CapacityExceeded(
                        "memory ran out within a step; ask for a smaller size"
                        + (", or without `reproducible`" if rows_matter else "")
                        + ", or try again later",
                        RETRY_S,
                    ) from error
            self._empty_cache()
            self._budget.halve(area)

    def _count(self, rows: int, padding: int) -> None:
        self.tally.calls += 1
        self.tally.rows += rows
        self.tally.padding += padding

    def bound(self, request: Running) -> int:
        """Most rows of a forward with this request."""
        return max(self._budget.bound(request.area), request.rows)

    def _leave(self) -> None:
        now = time.monotonic()
        staying = []
        for request in self._running:
            if request.withdrawn:
                continue
            if request.deadline is not None and now > request.deadline:
                late = CapacityExceeded("the deadline passed before the picture was ready", RETRY_S)
                request.tell(Failed(late))
            else:
                staying.append(request)
        self._running = staying

    def _fail(self, batch: Sequence[Running], error: Exception) -> None:
        logger.warning("a step failed", extra={"error": type(error).__name__, "count": len(batch)})
        for request in batch:
            request.tell(Failed(error))
        self._running = [request for request in self._running if request not in batch]

    def _empty_cache(self) -> None:
        if self._pace is not None:
            torch.cuda.empty_cache()


class _CudaPace:
    """Keeps at most two turns in the queue of a GPU: one at work, one ready to follow."""

    def __init__(self) -> None:
        self._before: torch.cuda.Event | None = None

    def wait(self) -> None:
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()
        if self._before is not None:
            self._before.synchronize()
        self._before = done
