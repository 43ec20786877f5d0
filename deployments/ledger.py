"""Keeps the scaling decisions where every process of the cluster can read them."""

from collections import deque
from typing import Any

import ray

from models.scaling.record import ScalingDecision, ScalingHistory

NAMESPACE = "serve"
KEPT = 500


class Ledger:
    """The last decision, and those that changed something."""

    def __init__(self) -> None:
        self._latest: ScalingDecision | None = None
        self._changes: deque[ScalingDecision] = deque(maxlen=KEPT)

    def note(self, decision: ScalingDecision, changed: bool) -> None:
        """Take a decision."""
        self._latest = decision
        if changed:
            self._changes.append(decision)

    def latest(self) -> ScalingDecision | None:
        """The last decision; `None` before the first."""
        return self._latest

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
