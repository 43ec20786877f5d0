"""Which processes of a service are there to be hit.

They are found by ancestry: only descendants of the service's own process are ever touched,
whatever others on the machine are called.
"""

import contextlib
import signal
import threading
from collections.abc import Sequence
from typing import Final

import psutil

from graphs.chaos.schedule import Fault, Role

REPLICA: Final = "ServeReplica:"
TITLES: Final[Sequence[tuple[str, Role]]] = (
    (":gateway", "gateway"),
    (":orchestrator", "orchestrator"),
)


class Victims:
    """The processes of one service.

    Args:
        pid: Of `orrery serve`, or of whatever else started the Ray of the service.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._timers: list[threading.Timer] = []

    def of(self, role: Role) -> list[psutil.Process]:
        """Living processes of a role, the oldest first; frozen ones are left alone."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    if _role_of(process) == role and process.status() not in (
                        psutil.STATUS_STOPPED,
                        psutil.STATUS_ZOMBIE,
                    ):
                        found.append(process)
        return sorted(found, key=lambda process: (process.create_time(), process.pid))

    def strike(self, fault: Fault) -> int | None:
        """Hit one process; its id, or `None` where there is none, or it was gone first."""
        there = self.of(fault.role)
        if not there:
            return None
        victim = there[int(fault.choice * len(there)) % len(there)]
        try:
            if fault.blow == "kill":
                victim.send_signal(signal.SIGKILL)
            else:
                victim.send_signal(signal.SIGSTOP)
                self._wake_later(victim, fault.freeze_s)
        except psutil.NoSuchProcess:
            return None
        return victim.pid

    def _wake_later(self, victim: psutil.Process, seconds: float) -> None:
        def wake() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGCONT)

        timer = threading.Timer(seconds, wake)
        timer.start()
        self._timers.append(timer)

    def wait_until_awake(self) -> None:
        """Return once nothing is frozen any more."""
        for timer in self._timers:
            timer.join()


def _role_of(process: psutil.Process) -> Role | None:
    title = " ".join(process.cmdline()[:2])
    if REPLICA in title:
        return next((role for end, role in TITLES if end in title), "capability")
    if "ProxyActor" in title:
        return "proxy"
    return "controller" if "ServeController" in title else None
