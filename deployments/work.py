"""How much the worker threads have done."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SMOOTHING = 0.2


class Work:
    """Counts the seconds during which any thread was at work; may be read by others.

    Attributes:
        service_s: Recent seconds of work per piece; pieces done side by side share them.
    """

    def __init__(self) -> None:
        self.service_s = 0.0
        self._lock = threading.Lock()
        self._pieces = 0
        self._open = 0
        self._done_s = 0.0
        self._shared_s = 0.0
        self._changed_at = 0.0

    @contextmanager
    def piece(self) -> Iterator[None]:
        """One piece of work, from its start to its end."""
        with self._lock:
            self._count()
            self._open += 1
            before_s = self._shared_s
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._open -= 1
                weight = SMOOTHING if self._pieces else 1.0
                self.service_s += weight * (self._shared_s - before_s - self.service_s)
                self._pieces += 1

    def busy_s(self) -> float:
        """Seconds of work since the start, including the pieces in hand."""
        with self._lock:
            self._count()
            return self._done_s

    def _count(self) -> None:
        """Bring the sums up to now."""
        now = time.monotonic()
        if self._open:
            elapsed_s = now - self._changed_at
            self._done_s += elapsed_s
            self._shared_s += elapsed_s / self._open
        self._changed_at = now
