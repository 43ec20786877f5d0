"""A token bucket: so many requests at once, and so many a minute."""

import asyncio
from collections.abc import Callable


class TokenBucket:
    """Spaces out requests to one host; belongs to one event loop.

    Args:
        per_minute: Long-run rate.
        burst: At once after a pause.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate_hz, self._burst, self._clock = per_minute / 60.0, burst, clock
        self._tokens, self._at_s = float(burst), clock()

    def wait_s(self) -> float:
        """Take a token; how long to wait until it may be used."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate_hz)

    async def take(self) -> None:
        """Wait for a token."""
        wait_s = self.wait_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
