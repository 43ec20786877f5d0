"""Remembers which hosts do not answer, so that nobody waits for them twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace

FIRST_S = 30.0
LONGEST_S = 900.0


@dataclass(frozen=True)
class _Host:
    failures: int = 0
    closed_until_s: float = 0.0
    why: str = ""
    answered: bool = False


class Breaker:
    """Per host: after a failure it is left alone, longer each time, up to 15 minutes.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    def refusal(self, host: str) -> str | None:
        """Why the host is not asked now; `None` if it may be."""
        wait_s = self.wait_s(host)
        return f"not asked for {wait_s:.0f} s more: {self._hosts[host].why}" if wait_s else None

    def wait_s(self, host: str) -> float:
        """Seconds until the host may be asked; 0 if it may be now."""
        known = self._hosts.get(host)
        return 0.0 if known is None else max(0.0, known.closed_until_s - self._clock())

    def proven(self, host: str) -> bool:
        """Whether the last answer was one."""
        known = self._hosts.get(host)
        return known is not None and known.answered

    def succeeded(self, host: str) -> None:
        """It answered."""
        self._hosts[host] = _Host(answered=True)

    def failed(self, host: str, why: str, retry_after_s: float | None = None) -> None:
        """It did not; or it asked to be left alone for a time."""
        known = self._hosts.get(host, _Host())
        if known.closed_until_s > self._clock():
            return  # requests that left together fail together: that is one failure
        wait_s = min(LONGEST_S, FIRST_S * 2**known.failures)
        if retry_after_s is not None:
            wait_s = max(wait_s, retry_after_s)
        self._hosts[host] = replace(
            known,
            failures=min(known.failures + 1, 10),
            closed_until_s=self._clock() + wait_s,
            why=why,
            answered=False,
        )
