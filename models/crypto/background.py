"""An event loop in a thread of its own, for exchanges and for work between requests."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from typing import Any, TypeVar

T = TypeVar("T")
POLL_S = 0.1
CLOSING_S = 3.0


class BackgroundLoop:
    """Runs coroutines for threads; starts with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine; may be called from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._started())

    def wait(self, work: Coroutine[Any, Any, T], check: Callable[[], None]) -> T:
        """Run a coroutine to its end, calling `check` meanwhile; it may raise to stop waiting."""
        future = self.submit(work)
        while True:
            try:
                return future.result(POLL_S)
            except WaitedTooLong:
                if future.done():
                    raise
            try:
                check()
            except BaseException:
                future.cancel()
                raise

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Stop every task, run `last` and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        ending = asyncio.run_coroutine_threadsafe(_end(last), loop)
        try:
            ending.result(CLOSING_S)
        except WaitedTooLong:
            ending.cancel()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(CLOSING_S)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name=self._name, daemon=True
                )
                self._thread.start()
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _end(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last()
