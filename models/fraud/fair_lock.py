"""Turns at what only one thread may use at a time, in the order in which they were asked for."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class FairLock:
    """A lock that nobody gets twice while somebody else waits.

    A thread that leaves a lock and asks for it again mostly gets it at once, however many wait:
    the pieces of a long piece of work would follow each other as if it were never left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One turn; waits for those that asked before."""
        gate = self._gate()
        if gate is not None:
            gate.acquire()  # until whoever is before hands the turn over
        try:
            yield
        finally:
            self._hand_over()

    def _gate(self) -> "threading.Lock | None":
        with self._lock:
            if not self._taken:
                self._taken = True
                return None
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
            return gate

    def _hand_over(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
