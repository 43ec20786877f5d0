"""The runs that are under way in a process, whose they are, and whether there is room for more."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.core.errors import CapacityExceeded, StorageFull
from models.workflow.contract import Usage
from models.workflow.gate import Gate
from models.workflow.intake import Intake
from models.workflow.options import EngineOptions

COME_BACK_S: Final = 5.0


class Occupancy:
    """Counts the runs from the moment in which they ask to be accepted.

    Args:
        options: The limits.
        intake: Holds those that were accepted and have yet to begin.
        gate: Holds the calls of those that have begun.
        path: Of the database, if it is a file.
    """

    def __init__(
        self, options: EngineOptions, intake: Intake, gate: Gate, path: Path | None
    ) -> None:
        self._options = options
        self._intake = intake
        self._gate = gate
        self._path = path
        self._arriving: dict[str, str] = {}
        self._begun: dict[str, str] = {}

    @property
    def owners(self) -> dict[str, str]:
        """Owners by run, of all that are under way or about to be."""
        return {**self._arriving, **self._intake.owners, **self._begun}

    def of(self, owner: str) -> int:
        """How many of an owner's are."""
        return sum(one == owner for one in self.owners.values())

    def usage(self, owner: str) -> Usage:
        """What an owner has under way, and may have."""
        return Usage(
            owner=owner,
            tasks=self.of(owner),
            max_tasks=self._options.max_runs_per_owner,
            calls_running=self._gate.running(owner),
            calls_waiting=self._gate.waiting(owner),
            max_calls=self._options.max_steps_per_owner,
        )

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._begun

    @contextmanager
    def arriving(self, run_id: str, owner: str) -> Iterator[None]:
        """Make room for a run while it is being accepted.

        Raises:
            CapacityExceeded: Too many runs are under way, or too many of this owner's.
            StorageFull: The disk is nearly full.
        """
        self._check_room(run_id, owner)
        self._arriving[run_id] = owner
        try:
            yield
        finally:
            self._arriving.pop(run_id, None)

    def began(self, run_id: str, owner: str) -> None:
        """Count a run until it ends."""
        self._begun[run_id] = owner

    def ended(self, run_id: str) -> None:
        """Count it no more."""
        self._begun.pop(run_id, None)

    def _check_room(self, run_id: str, owner: str) -> None:
        owners, most = self.owners, self._options.max_runs_per_owner
        if run_id in owners:
            return  # asked for a second time
        if len(owners) >= self._options.max_active_runs:
            detail = f"{len(owners)} workflows are under way; come back in {COME_BACK_S:.0f} s"
            raise CapacityExceeded(detail, COME_BACK_S)
        own = sum(one == owner for one in owners.values())
        if most is not None and own >= most:
            raise CapacityExceeded(
                f"{own} of your tasks are queued or running, and at most {most} may be: come back "
                f"when some have ended, or cancel some; see /api/v1/usage",
                COME_BACK_S,
            )
        free = None if self._path is None else shutil.disk_usage(self._path.absolute().parent).free
        if free is not None and free < self._options.min_free_bytes:
            raise StorageFull(
                f"{free} bytes are free where runs are kept, {self._options.min_free_bytes} are "
                "needed to accept more; those accepted go on"
            )
