"""One policy for retries: exponential backoff with full jitter, and what the server asks for."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})

_uniform = secrets.SystemRandom().uniform


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try again.

    Attributes:
        attempts: In all, the first included.
        base_s: Ceiling of the first wait; each further one doubles it.
        cap_s: Ceiling of any wait that we choose.
        longest_retry_after_s: A server that asks for more is reported to the caller instead.
        uniform: Draws between two bounds.
    """

    attempts: int = 3
    base_s: float = 0.25
    cap_s: float = 5.0
    longest_retry_after_s: float = 10.0
    uniform: Callable[[float, float], float] = _uniform

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float | None:
        """Wait before the next attempt; `None` if there is to be none.

        Args:
            attempt: The one that failed, from 0.
            retry_after_s: What the server asked for.

        Source: Brooker 2015, "Exponential backoff and jitter", the "full jitter" variant.
        """
        if attempt + 1 >= self.attempts:
            return None
        if retry_after_s is not None and retry_after_s > self.longest_retry_after_s:
            return None
        jittered = self.uniform(0.0, min(self.cap_s, self.base_s * 2**attempt))
        return max(jittered, retry_after_s or 0.0)


DEFAULT_RETRY = RetryPolicy()


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date; `None` if it says nothing."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
