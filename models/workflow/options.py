"""How an engine works."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from models.core.errors import CapacityExceeded, StorageFull
from models.workflow.leases import LeaseTimes


@dataclass(frozen=True)
class EngineOptions:
    """How the engine works.

    Attributes:
        url: `postgresql://…`, or a path for SQLite.
        max_active_runs: More are refused for now.
        max_steps: Calls at the same time in this process.
        min_free_bytes: Below so much free space, new runs are refused.
        retention_s: Runs that ended so long ago are forgotten.
        times: How fast the death of another executor is noticed.
    """

    url: str | Path
    max_active_runs: int = 1000
    max_steps: int = 64
    min_free_bytes: int = 2**28
    retention_s: float = 30 * 86400.0
    times: LeaseTimes = field(default_factory=LeaseTimes)

    def check_room(self, active_runs: int, path: Path | None) -> None:
        """Refuse another run where it has no room.

        Args:
            active_runs: In this process.
            path: Of the database, if it is a file.

        Raises:
            CapacityExceeded: Too many runs are under way.
            StorageFull: The disk is nearly full.
        """
        if active_runs >= self.max_active_runs:
            detail = f"{active_runs} workflows are under way; come back in 5 s"
            raise CapacityExceeded(detail, 5.0)
        free = None if path is None else shutil.disk_usage(path.absolute().parent).free
        if free is not None and free < self.min_free_bytes:
            raise StorageFull(
                f"{free} bytes are free where runs are kept, {self.min_free_bytes} are needed to "
                "accept more; those accepted go on"
            )
