"""How an engine works."""

from dataclasses import dataclass, field
from pathlib import Path

from models.workflow.leases import LeaseTimes


@dataclass(frozen=True)
class EngineOptions:
    """How the engine works.

    Attributes:
        url: `postgresql://…`, or a path for SQLite.
        max_active_runs: More are refused for now.
        max_steps: Calls at the same time in this process.
        max_runs_per_owner: More of one owner's are refused for now.
        max_steps_per_owner: Of the calls, at most so many of one owner in one capability.
        min_free_bytes: Below so much free space, new runs are refused.
        retention_s: Runs that ended so long ago are forgotten.
        times: How fast the death of another executor is noticed.
    """

    url: str | Path
    max_active_runs: int = 1000
    max_steps: int = 64
    max_runs_per_owner: int | None = None
    max_steps_per_owner: int | None = None
    min_free_bytes: int = 2**28
    retention_s: float = 30 * 86400.0
    times: LeaseTimes = field(default_factory=LeaseTimes)
