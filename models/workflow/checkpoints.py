"""DBOS as the keeper of checkpoints: its settings, its rows, and its private parts that we use.

What is private there is pinned with the version, and tested against it.
"""

import random
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, _sys_db
from dbos import WorkflowStatus as Row
from dbos._core import execute_dequeued_workflow
from dbos._serialization import DBOSPortableJSONSerializer, DefaultSerializer
from dbos._utils import INTERNAL_QUEUE_NAME, GlobalParams
from pydantic import JsonValue

from models.workflow.calls import Payload
from models.workflow.contract import FINAL, State
from models.workflow.database import LONGEST_PAUSE_S, Database

VERSION: Final = "1"  # equal across releases that can replay each other's runs
POLL_S: Final = 0.05
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


class _Impatient:
    """The module `time`, except that nobody sleeps long."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is there
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        """Sleep for so long, or for a quarter of a second or less."""
        longest_s = LONGEST_PAUSE_S * random.uniform(0.5, 1)  # noqa: S311 - spreads retries
        time.sleep(min(seconds, longest_s))


def try_often() -> None:
    """Go on soon after the database is back: by itself, DBOS waits up to a minute between tries."""
    _sys_db.time = _Impatient()  # type: ignore[assignment,attr-defined]  # on purpose


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


def hand_over(dbos: DBOS, found: Mapping[str, str]) -> list[str]:
    """Run what other executors left, in this process; gives those runs.

    They pass the internal queue, which admits one runner each. It is not waited for, since DBOS
    looks into it once a second, and less often where executors meet there.

    Args:
        dbos: Of this process.
        found: The runs, and for each the executor that had it.
    """
    database, queue = dbos._sys_db, dbos._registry.get_internal_queue()  # noqa: SLF001 - no public way
    for run_id, executor_id in found.items():
        database.reenqueue_for_recovery(run_id, [executor_id], INTERNAL_QUEUE_NAME)
    token = secrets.token_hex(16)
    executor_id, version = GlobalParams.executor_id, GlobalParams.app_version
    taken, _ = database.start_queued_workflows(queue, executor_id, version, None, owner_xid=token)
    for row in database.get_workflow_statuses(taken):
        execute_dequeued_workflow(dbos, row, token)
    return taken


async def ended_before(name: str, time_s: float, limit: int) -> list[str]:
    """Runs of a workflow that ended before a POSIX time."""
    # Half a millisecond more, since DBOS truncates what it reads.
    before = datetime.fromtimestamp(time_s + 0.0005, UTC).isoformat()
    rows = await DBOS.list_workflows_async(
        name=name,
        status=[status for status, state in STATES.items() if state in FINAL],
        completed_before=before,
        limit=limit,
        load_input=False,
        load_output=False,
    )
    return [row.workflow_id for row in rows]


def payload_of(row: Row) -> Payload:
    """What was accepted."""
    # DBOS gives the text of what it cannot read.
    if not isinstance(row.input, dict):
        raise TypeError(f"the store of runs holds something unreadable for {row.workflow_id}")
    return Payload.model_validate(row.input["args"][0])
