"""DBOS as the keeper of checkpoints: its settings, its rows, and its private parts that we use.

What is private there is pinned with the version, and tested against it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig
from dbos import WorkflowStatus as Row
from dbos._serialization import DBOSPortableJSONSerializer, DefaultSerializer
from dbos._utils import INTERNAL_QUEUE_NAME
from pydantic import JsonValue

from models.workflow.calls import Payload
from models.workflow.contract import State
from models.workflow.database import Database

VERSION: Final = "1"  # equal across releases that can replay each other's runs
POLL_S: Final = 0.05
QUEUE_POLL_S: Final = 0.5
STATES: Final[Mapping[str, State]] = {
    "ENQUEUED": "pending",
    "DELAYED": "pending",
    "PENDING": "running",
    "SUCCESS": "completed",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}


def configuration(database: Database, engine: sa.Engine, executor_id: str) -> DBOSConfig:
    """How DBOS is to use the database."""
    return {
        "name": "orrery",
        "system_database_url": database.url,
        "system_database_engine": engine,
        "serializer": DBOSPortableJSONSerializer(),
        "executor_id": executor_id,
        "application_version": VERSION,
        "log_level": "ERROR",
        "notification_listener_polling_interval_sec": POLL_S,
    }


def refuse_pickles() -> None:
    """Make a row marked as pickled an error instead of code that runs.

    The decoder follows from the row, not from the configured serializer.
    """

    def refuse(_self: DefaultSerializer, _text: str) -> Any:  # noqa: ANN401 - as it is there
        raise TypeError("a pickled row in the store of runs is refused")

    DefaultSerializer.deserialize = refuse  # type: ignore[assignment,method-assign]  # on purpose


def hasten_takeovers(dbos: DBOS) -> None:
    """Look twice a second, not once, for runs that were handed over; before the launch."""
    queue = dbos._registry.get_internal_queue()  # noqa: SLF001 - it has no setting
    queue._polling_interval_sec = QUEUE_POLL_S  # noqa: SLF001 - as above


class ReservedStep:
    """A reserved step of DBOS."""

    def __init__(self, reserved: Any, here: Callable[..., Awaitable[Any]]) -> None:  # noqa: ANN401 - private class of DBOS
        self._reserved = reserved
        self._here = here

    async def run(self, name: str, work: Callable[[], Coroutine[Any, Any, JsonValue]]) -> JsonValue:
        """What the store says, or what the work gives, stored."""

        async def step() -> JsonValue:
            found: JsonValue = await self._here(work())
            return found

        options = {"name": name, "preemptible": True}
        found: JsonValue = await self._reserved.run_async(options, step)
        return found


def hand_over(executor_ids: list[str]) -> list[str]:
    """Queue every run of these executors for whoever is alive; gives the runs."""
    handles = DBOS._recover_pending_workflows(executor_ids)  # noqa: SLF001 - no public way
    return [handle.workflow_id for handle in handles]


def hand_over_one(dbos: DBOS, run_id: str, executor_id: str) -> None:
    """Queue one run of a living executor."""
    dbos._sys_db.reenqueue_for_recovery(run_id, [executor_id], INTERNAL_QUEUE_NAME)  # noqa: SLF001 - as above


def payload_of(row: Row) -> Payload:
    """What was accepted."""
    # DBOS gives the text of what it cannot read.
    if not isinstance(row.input, dict):
        raise TypeError(f"the store of runs holds something unreadable for {row.workflow_id}")
    return Payload.model_validate(row.input["args"][0])
