"""Worker threads of a replica, which owners take in turn."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Turns:
    """Threads for what many owners ask: each owner has one piece of work in each turn.

    Args:
        threads: Pieces of work at the same time.
        name: Of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._lines: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()

    def submit(self, owner: str, work: Callable[[], T]) -> "Future[T]":
        """Have a piece of work done in one of the threads."""
        future: Future[T] = Future()
        with self._lock:
            self._lines.setdefault(owner, deque()).append((future, work))
        self._pool.submit(self._next)  # as many as there are pieces, whichever each will take
        return future

    def _next(self) -> None:
        with self._lock:
            owner, line = next(iter(self._lines.items()))
            future, work = line.popleft()
            if line:
                self._lines.move_to_end(owner)
            else:
                del self._lines[owner]
        if not future.set_running_or_notify_cancel():
            return
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)
        else:
            future.set_result(found)
