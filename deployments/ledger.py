"""Keeps the scaling decisions where every process of the cluster can read them."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import ray

from models.scaling.ahead import Advice, Placement, Report
from models.scaling.record import ScalingDecision, ScalingHistory
from models.scaling.snapshot import MANY

NAMESPACE = "serve"
KEPT = 500
HEARD_S = 5.0  # who tells, tells every second

Sent: TypeAlias = tuple[float, str]
"""When a request was sent, in seconds since 1970, and its kind of work."""


class Ledger:
    """The last decision, those that changed something, what waits, and what replicas hold.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, Mapping[str, tuple[Sent, ...]]]] = {}
        self._latest: ScalingDecision | None = None
        self._changes: deque[ScalingDecision] = deque(maxlen=KEPT)
        self._placements: dict[str, Placement] = {}

    def note(self, decision: ScalingDecision, changed: bool) -> dict[str, tuple[str, ...]]:
        """Take a decision; the kinds of what is not answered, by deployment, the oldest first."""
        self._latest = decision
        if changed:
            self._changes.append(decision)
        return self.outstanding()

    def hear(self, who: str, sent: Mapping[str, tuple[Sent, ...]]) -> None:
        """Take what a process has no answer to."""
        self._heard[who] = (self._clock(), sent)

    def outstanding(self) -> dict[str, tuple[str, ...]]:
        """The kinds of what is not answered, by deployment, the oldest first."""
        since_s = self._clock() - HEARD_S
        self._heard = {who: told for who, told in self._heard.items() if told[0] > since_s}
        found: dict[str, list[Sent]] = {}
        for _, sent in self._heard.values():
            for name, requests in sent.items():
                found.setdefault(name, []).extend(requests)
        return {
            name: tuple(kind for _, kind in sorted(sent)[:MANY]) for name, sent in found.items()
        }

    def advise(self, deployment: str, replica: str, report: Report) -> Advice:
        """Take what a replica has in memory; what it should load now, and what may go."""
        now_s = self._clock()
        placement = self._placements.setdefault(deployment, Placement(now_s))
        return placement.advise(replica, report, now_s)

    def latest(self) -> ScalingDecision | None:
        """The last decision, with what is in memory now; `None` before the first."""
        if self._latest is None:
            return None
        now_s = self._clock()
        kept = {name: placement.kept(now_s) for name, placement in self._placements.items()}
        found = {name: models for name, models in kept.items() if models}
        return self._latest.model_copy(update={"kept": found})

    def history(self) -> ScalingHistory:
        """Decisions that changed something, the newest last."""
        return ScalingHistory(decisions=tuple(self._changes))


def ledger_name(app_name: str) -> str:
    """Name of the actor of an application."""
    return f"ledger-of-{app_name}"


def open_ledger(app_name: str) -> Any:  # noqa: ANN401 - an actor handle
    """The ledger of an application, started if there is none.

    It ends with the handle of its starter, which should therefore be kept.
    """
    remote: Any = ray.remote(Ledger)
    options = {"name": ledger_name(app_name), "namespace": NAMESPACE, "get_if_exists": True}
    return remote.options(num_cpus=0, max_restarts=-1, **options).remote()


def find_ledger(app_name: str) -> Any:  # noqa: ANN401 - an actor handle
    """The ledger of an application.

    Raises:
        ValueError: Nothing was decided yet.
    """
    return ray.get_actor(ledger_name(app_name), namespace=NAMESPACE)
