"""How much the worker threads have done, and of what kind."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

SMOOTHING = 0.2
OFTEN, EACH_S = "often: ", "each_s: "  # before the name of a kind, as names of metrics
FADING = 0.95  # of what was counted, with each further piece
FORGOTTEN = 0.05


class Work:
    """Counts seconds: those during which any thread was at work, and those of all threads together.

    May be read by others.

    Args:
        clock: Tells the time in seconds.

    Attributes:
        service_s: Recent seconds of work per piece; pieces done side by side share them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.service_s = 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._pieces = 0
        self._open = 0
        self._done_s = 0.0
        self._held_s = 0.0
        self._shared_s = 0.0
        self._changed_at = 0.0
        self._kinds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def piece(self, kind: str = "") -> Iterator[None]:
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
                seconds = self._shared_s - before_s
                weight = SMOOTHING if self._pieces else 1.0
                self.service_s += weight * (seconds - self.service_s)
                self._pieces += 1
                self._note(kind, seconds)

    def busy_s(self) -> float:
        """Seconds of work since the start, including the pieces in hand."""
        with self._lock:
            self._count()
            return self._done_s

    def held_s(self) -> float:
        """Seconds that pieces were in hand, side by side each counts; those in hand included."""
        with self._lock:
            self._count()
            return self._held_s

    def kinds(self) -> dict[str, tuple[float, float]]:
        """By kind: how often of late, the newest piece counting 1, and seconds per piece."""
        with self._lock:
            return dict(self._kinds)

    def _note(self, kind: str, seconds: float) -> None:
        faded = {name: (count * FADING, mean) for name, (count, mean) in self._kinds.items()}
        self._kinds = {name: seen for name, seen in faded.items() if seen[0] > FORGOTTEN}
        count, mean = self._kinds.get(kind, (0.0, seconds))
        self._kinds[kind] = (count + 1.0, mean + SMOOTHING * (seconds - mean))

    def _count(self) -> None:
        """Bring the sums up to now."""
        now = self._clock()
        if self._open:
            elapsed_s = now - self._changed_at
            self._done_s += elapsed_s
            self._held_s += elapsed_s * self._open
            self._shared_s += elapsed_s / self._open
        self._changed_at = now


def kind_of(request: object) -> str:
    """The name of those requests that take about as much work."""
    return str(getattr(request, "work_class", type(request).__name__))


def kinds_as_numbers(kinds: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Kinds of work for a channel that carries named numbers alone."""
    often = {OFTEN + kind: count for kind, (count, _) in kinds.items()}
    return often | {EACH_S + kind: seconds for kind, (_, seconds) in kinds.items()}
