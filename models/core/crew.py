"""Threads for kernels that leave Python's lock."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

Work = Callable[[int], None]
Crew = Callable[[Work, int], None]
"""Calls `work(part)` for every part of a count, and returns once all are done."""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _alone(work: Work, parts: int) -> None:
    for part in range(parts):
        work(part)


@contextmanager
def crew(threads: int) -> Iterator[Crew]:
    """Share parts among threads; with one thread, among none."""
    if threads == 1:
        yield _alone
        return
    with ThreadPoolExecutor(threads, "crew") as pool:

        def share(work: Work, parts: int) -> None:
            for _ in pool.map(work, range(parts)):
                pass

        yield share
