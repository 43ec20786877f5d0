"""How much a worker thread has done."""

import time
from types import TracebackType

SMOOTHING = 0.2


class Work:
    """Counts the seconds spent within it; one thread enters, any may read.

    Attributes:
        service_s: Recent seconds per piece of work.
    """

    def __init__(self) -> None:
        self.service_s = 0.0
        self._pieces = 0
        # Seconds done and the start of the piece in hand, replaced at once: readers see both.
        self._state: tuple[float, float | None] = (0.0, None)

    def __enter__(self) -> None:
        self._state = (self._state[0], time.monotonic())

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        done_s, began = self._state
        assert began is not None  # noqa: S101 - entered before
        elapsed_s = time.monotonic() - began
        self._state = (done_s + elapsed_s, None)
        weight = SMOOTHING if self._pieces else 1.0
        self.service_s += weight * (elapsed_s - self.service_s)
        self._pieces += 1

    def busy_s(self) -> float:
        """Seconds of work since the start, including the piece in hand."""
        done_s, began = self._state
        return done_s if began is None else done_s + time.monotonic() - began
