"""The engine on DBOS: the only module that knows it.

A run is one DBOS workflow, `dag.v1`, that interprets its graph. DBOS keeps the checkpoints and
hands runs to executors; leases, fencing, events and the memory of results are ours, as tables in
the same database.
"""

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from dbos import DBOS, DBOSConfig, SetWorkflowAttributes, SetWorkflowID
from dbos import WorkflowStatus as Row
from dbos._context import DBOSContextSetAuth
from dbos._serialization import DBOSPortableJSONSerializer, DefaultSerializer
from dbos._utils import INTERNAL_QUEUE_NAME
from pydantic import JsonValue

from models.core.artifacts import ArtifactStore
from models.core.errors import (
    CapacityExceeded,
    Conflict,
    InvalidInput,
    StorageFull,
    UpstreamUnavailable,
)
from models.workflow.calls import Payload, Run
from models.workflow.contract import (
    FINAL,
    Event,
    Failure,
    Page,
    Query,
    Request,
    RunStatus,
    RunSummary,
    State,
    Steps,
    Submitted,
)
from models.workflow.database import Database
from models.workflow.events import ENDINGS, STARTED, ending_of, eta_s, progress_of, task_statuses
from models.workflow.gate import Gate
from models.workflow.interpreter import RunFailed, interpret
from models.workflow.journal import StaleEpoch
from models.workflow.leases import Lease, LeaseTimes, fence_expired
from models.workflow.performer import Performer
from models.workflow.plan import needs_of, waves
from models.workflow.records import Cursor, iso, outputs_of, reusable
from models.workflow.spec import Spec
from models.workflow.sql_journal import SqlJournal, SqlMemo
from models.workflow.values import Outputs, digest
from models.workflow.webhooks import Dispatcher, Post, post_nowhere

logger = logging.getLogger(__name__)

T = TypeVar("T")

WORKFLOW: Final = "dag.v1"
VERSION: Final = "1"  # equal across releases that can replay each other's runs
STATES: Final[Mapping[str, State]] = {
    "ENQUEUED": "pending",
    "DELAYED": "pending",
    "PENDING": "running",
    "SUCCESS": "completed",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
SWEEP_S: Final = 0.5
POLL_S: Final = 0.05
DISPATCH_S: Final = 0.5
RECLAIM_S: Final = 10.0
EXPIRY_BATCH: Final = 200
ENDING_NAMES: Final = tuple(ENDINGS)


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


class DurableEngine:
    """An `Engine`; one in a process, since DBOS is.

    Args:
        options: How it works.
        steps: Performs the calls; used in the event loop that starts the engine.
        store: Holds large outputs and remembered results.
        lost: Called when the lease is lost; must end the process.
        post: Sends webhooks.
    """

    def __init__(
        self,
        options: EngineOptions,
        steps: Steps,
        store: ArtifactStore,
        lost: Callable[[], None],
        post: Post = post_nowhere,
    ) -> None:
        self._options = options
        self._steps = steps
        self._outputs = Outputs(store)
        self._lost = lost
        self._database = Database(options.url)
        self._checkpoints = self._database.new_engine()
        self._lease = Lease(self._database, options.times, lost)
        self._journal = SqlJournal(self._database, self._lease.epoch)
        self._memo = SqlMemo(self._database)
        self._dispatcher = Dispatcher(self._database, post)
        self._active: set[str] = set()
        self._idle: frozenset[str] = frozenset()
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to run what is accepted, and what others left behind."""
        self._loop = asyncio.get_running_loop()
        self._performer = Performer(
            self._steps,
            self._journal,
            self._outputs,
            self._memo,
            epoch=self._lease.epoch,
            gate=Gate(self._options.max_steps),
            fence=self._lease.fence,
        )
        _refuse_pickles()
        self._dbos = DBOS(config=self._config())

        async def dag(payload: dict[str, Any]) -> dict[str, JsonValue]:
            return await self._execute(payload)

        self._dag = DBOS.workflow(name=WORKFLOW)(dag)
        await asyncio.to_thread(DBOS.launch)
        self._background = [
            asyncio.create_task(self._sweep()),
            asyncio.create_task(self._forget()),
            asyncio.create_task(self._reclaim_always()),
            asyncio.create_task(self._dispatch()),
        ]

    def _config(self) -> DBOSConfig:
        return {
            "name": "orrery",
            "system_database_url": self._database.url,
            "system_database_engine": self._checkpoints,
            "serializer": DBOSPortableJSONSerializer(),
            "executor_id": self._lease.executor_id,
            "application_version": VERSION,
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": POLL_S,
        }

    async def close(self) -> None:
        """Stop; what is under way goes on in another executor at once."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self._lease.release)
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        self._checkpoints.dispose()
        self._database.close()

    # Runs.

    async def submit(self, request: Request) -> Submitted:
        """Accept a run: after the return it survives any crash.

        Raises:
            InvalidInput: The id belongs to a run with another payload.
            CapacityExceeded: Too many runs are under way.
            StorageFull: The store has too little room.
        """
        self._check_room()
        payload = Payload(
            owner=request.owner,
            spec=request.spec.to_json(),
            accepted_at=time.time(),
            trace_id=request.trace_id,
            retry_of=request.retry_of,
            reuse=dict(request.reuse),
        ).model_dump(mode="json")
        known = digest(payload["spec"])
        attributes = {"digest": known, "name": request.spec.name, "nonce": secrets.token_hex(8)}
        if await self._start(request, payload, attributes):
            return Submitted(run_id=request.run_id, created=True)
        row = await self._row(request.run_id, request.owner)
        found = (row.attributes or {}) if row else {}
        if found.get("digest") != known:
            raise InvalidInput(
                "this Idempotency-Key was used with another payload; choose a new one"
            )
        return Submitted(run_id=request.run_id, created=found["nonce"] == attributes["nonce"])

    async def _start(
        self, request: Request, payload: dict[str, Any], attributes: dict[str, Any]
    ) -> bool:
        """Whether the run was new, and so has begun here."""
        known_here = request.run_id in self._active
        self._active.add(request.run_id)
        new = False
        try:
            with (
                SetWorkflowID(request.run_id),
                SetWorkflowAttributes(attributes),
                DBOSContextSetAuth(request.owner, None),
            ):
                handle = await DBOS.start_workflow_async(self._dag, payload)
            new = hasattr(handle, "task")  # DBOS answers with a task where it runs one
        finally:
            if not (new or known_here):
                self._active.discard(request.run_id)
        return new

    def _check_room(self) -> None:
        if not self._lease.is_certain:
            raise UpstreamUnavailable("the database of runs does not answer", 2.0)
        if len(self._active) >= self._options.max_active_runs:
            raise CapacityExceeded(
                f"{len(self._active)} workflows are under way; come back in 5 s", 5.0
            )
        path = self._database.path
        if path is not None:
            free = shutil.disk_usage(path.absolute().parent).free
            if free < self._options.min_free_bytes:
                raise StorageFull(
                    f"{free} bytes are free where runs are kept, {self._options.min_free_bytes} "
                    "are needed to accept more; those accepted go on"
                )

    async def _execute(self, payload: dict[str, Any]) -> dict[str, JsonValue]:
        """The workflow; a process that lost its lease never leaves it."""
        run_id = DBOS.workflow_id
        assert run_id is not None  # noqa: S101 - within a workflow
        accepted = Payload.model_validate(payload)
        run = Run(run_id, accepted, Spec.model_validate(accepted.spec))
        self._active.add(run_id)
        try:
            return await self._to_its_end(run)
        except StaleEpoch:
            self._lost()
            await asyncio.Event().wait()  # to return or raise would write a result
            raise
        finally:
            self._active.discard(run_id)

    async def _to_its_end(self, run: Run) -> dict[str, JsonValue]:
        first = await self._end(run, STARTED, {}, (STARTED,))
        run = replace(run, resumed=not first)
        try:
            outputs = await interpret(run, self._performer, self._checkpoint)
        except RunFailed as error:
            failure = {"failure": error.failure.model_dump(mode="json")}
            await self._end(run, "workflow.failed", failure, ENDING_NAMES)
            raise
        packed = await self._here(asyncio.to_thread(self._outputs.pack, outputs, run.payload.owner))
        await self._end(run, "workflow.completed", {"outputs": packed}, ENDING_NAMES)
        return {"outputs": packed}

    async def _end(
        self, run: Run, name: str, data: dict[str, Any], exclusive: tuple[str, ...]
    ) -> bool:
        entry = run.entry(name, data=data, exclusive=exclusive)
        return await self._here(self._journal.append(entry))

    def _checkpoint(self) -> "_Checkpoint":
        return _Checkpoint(DBOS.reserve_step(), self._here)

    async def _here(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work in the loop that started the engine: DBOS recovers runs in one of its own."""
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    # What is known of a run.

    async def _row(self, run_id: str, owner: str, *, loads: bool = False) -> Row | None:
        rows = await DBOS.list_workflows_async(
            workflow_ids=[run_id], user=owner, name=WORKFLOW, load_input=loads, load_output=False
        )
        return rows[0] if rows else None

    async def status(self, run_id: str, owner: str) -> RunStatus | None:
        """State of a run, `None` where the owner has none of this name."""
        row = await self._row(run_id, owner, loads=True)
        if row is None:
            return None
        payload = _payload(row)
        return self._described(row, payload, await self._journal.after(run_id, -1))

    def _described(self, row: Row, payload: Payload, events: list[Event]) -> RunStatus:
        spec, services, now = (
            Spec.model_validate(payload.spec),
            self._steps.services(),
            datetime.now(UTC),
        )
        ending = ending_of(events)
        tasks = task_statuses(spec, events, outputs_of(spec, events))
        state = ENDINGS[ending.name] if ending else STATES[row.status]
        order = waves({task.id: needs_of(task) for task in spec.tasks})
        failure = ending.data.get("failure") if ending else None
        outputs = ending.data.get("outputs") if ending else None
        return RunStatus(
            run_id=row.workflow_id,
            name=spec.name,
            state=state,
            created_at=datetime.fromtimestamp(payload.accepted_at, UTC),
            finished_at=ending.at if ending else None,
            progress=1.0 if state == "completed" else progress_of(tasks, services),
            eta_s=None if state in FINAL else round(eta_s(tasks, order, services, now), 2),
            trace_id=payload.trace_id,
            tasks=tasks,
            outputs=outputs if isinstance(outputs, dict) else {},
            failure=Failure.model_validate(failure) if failure else None,
            retry_of=payload.retry_of,
            recoveries=max(0, (row.recovery_attempts or 1) - 1),
        )

    async def find(self, query: Query) -> Page:
        """Runs of an owner, newest first."""
        cursor = Cursor.read(query.cursor)
        wanted = [name for name, state in STATES.items() if state in query.states]
        rows = await DBOS.list_workflows_async(
            user=query.owner,
            name=WORKFLOW,
            status=wanted or None,
            start_time=query.since.isoformat() if query.since else None,
            end_time=None if cursor.before_ms is None else iso(cursor.before_ms),
            limit=query.limit + len(cursor.seen) + 1,
            sort_desc=True,
            load_input=False,
            load_output=False,
        )
        rows = [row for row in rows if row.workflow_id not in cursor.seen]
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        ended = (
            cursor.after([(row.created_at or 0, row.workflow_id) for row in shown])
            if more
            else None
        )
        return Page(
            runs=tuple(_summary(row) for row in shown), cursor=str(ended) if ended else None
        )

    async def cancel(self, run_id: str, owner: str) -> bool:
        """Stop a run; false where it is unknown."""
        row = await self._row(run_id, owner, loads=True)
        if row is None:
            return False
        payload = _payload(row)
        run = Run(run_id, payload, Spec.model_validate(payload.spec))
        if await self._journal.append(run.entry("workflow.cancelled", exclusive=ENDING_NAMES)):
            await DBOS.cancel_workflow_async(run_id)
        return True

    async def retry(self, run_id: str, owner: str, from_task: str | None = None) -> str | None:
        """A new run that reuses what was finished; `None` where the run is unknown.

        Raises:
            Conflict: The run is not over.
            InvalidInput: It has no such task.
        """
        row = await self._row(run_id, owner, loads=True)
        if row is None:
            return None
        events = await self._journal.after(run_id, -1)
        if ending_of(events) is None and STATES[row.status] not in FINAL:
            raise Conflict("the task is still under way; cancel it first")
        payload = _payload(row)
        spec = Spec.model_validate(payload.spec)
        again = f"{run_id.split('.')[0]}.{secrets.token_hex(4)}"
        reuse = reusable(spec, events, from_task)
        await self.submit(Request(again, owner, spec, payload.trace_id, run_id, reuse))
        return again

    async def events(self, run_id: str, owner: str, after: int = -1) -> AsyncIterator[Event]:
        """What happened after an event, and then what happens, to the end of the run."""
        row = await self._row(run_id, owner)
        while row is not None:
            found = await self._journal.after(run_id, after)
            for event in found:
                after = event.number
                yield event
            if ending_of(found) is not None:
                return
            if found:
                continue
            if STATES[row.status] in FINAL:
                return  # it ended before this reader came, with an event that it has seen
            checked = time.monotonic()
            while not await self._journal.after(run_id, after):
                await self._journal.wait(POLL_S)
                if time.monotonic() - checked > 2:
                    row = await self._row(run_id, owner)
                    break

    # Other executors.

    async def take_over(self) -> list[str]:
        """Fence executors whose lease ended, and run what they left; gives their runs."""
        dead = await asyncio.to_thread(fence_expired, self._database, self._lease.epoch)
        if not dead:
            return []
        handles = await asyncio.to_thread(DBOS._recover_pending_workflows, dead)  # noqa: SLF001 - no public way
        taken = [handle.workflow_id for handle in handles]
        if taken:
            logger.warning("runs taken over", extra={"count": len(taken), "executors": dead})
        return taken

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.take_over()
            except Exception:
                logger.exception("sweep failed")

    async def webhook_secret(self, owner: str) -> str:
        """The key that an owner's webhooks are signed with."""
        return await self._dispatcher.secret_of(owner)

    async def reclaim(self) -> list[str]:
        """Run again what is this executor's but was dropped by it; gives those runs.

        DBOS can let go of a run whose checkpoint was committed in the moment in which its
        connection broke. Only what is found idle twice is touched: a run may just be starting.
        """
        rows = await DBOS.list_workflows_async(
            name=WORKFLOW,
            status="PENDING",
            executor_id=self._lease.executor_id,
            load_input=False,
            load_output=False,
        )
        idle = frozenset(row.workflow_id for row in rows) - self._active
        dropped, self._idle = sorted(idle & self._idle), idle
        for run_id in dropped:
            logger.warning("dropped run is run again", extra={"run_id": run_id})
            await asyncio.to_thread(
                self._dbos._sys_db.reenqueue_for_recovery,  # noqa: SLF001 - no public way
                run_id,
                [self._lease.executor_id],
                INTERNAL_QUEUE_NAME,
            )
        return dropped

    async def _reclaim_always(self) -> None:
        while True:
            await asyncio.sleep(RECLAIM_S)
            try:
                await self.reclaim()
            except Exception:
                logger.exception("reclaim failed")

    async def _dispatch(self) -> None:
        while True:
            await asyncio.sleep(DISPATCH_S)
            try:
                await self._dispatcher.deliver_due()
            except Exception:
                logger.exception("webhooks failed")

    async def _forget(self) -> None:
        while True:
            try:
                await self.expire(self._options.retention_s)
            except Exception:
                logger.exception("retention failed")
            await asyncio.sleep(min(3600.0, self._options.retention_s))

    async def expire(self, age_s: float) -> int:
        """Forget runs that ended so long ago; gives their number."""
        forgotten = 0
        while True:
            rows = await DBOS.list_workflows_async(
                name=WORKFLOW,
                status=[name for name, state in STATES.items() if state in FINAL],
                completed_before=iso((time.time() - age_s) * 1000),
                limit=EXPIRY_BATCH,
                load_input=False,
                load_output=False,
            )
            ids = [row.workflow_id for row in rows]
            if ids:
                await self._journal.delete(ids)
                await DBOS.delete_workflows_async(ids)
            forgotten += len(ids)
            if len(ids) < EXPIRY_BATCH:
                return forgotten


class _Checkpoint:
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


def _refuse_pickles() -> None:
    """Make a row marked as pickled an error instead of code that runs.

    The decoder follows from the row, not from the configured serializer.
    """

    def refuse(_self: DefaultSerializer, _text: str) -> Any:  # noqa: ANN401 - as it is there
        raise TypeError("a pickled row in the store of runs is refused")

    DefaultSerializer.deserialize = refuse  # type: ignore[assignment,method-assign]  # on purpose


def _payload(row: Row) -> Payload:
    # DBOS gives the text of what it cannot read.
    if not isinstance(row.input, dict):
        raise TypeError(f"the store of runs holds something unreadable for {row.workflow_id}")
    return Payload.model_validate(row.input["args"][0])


def _summary(row: Row) -> RunSummary:
    ended = row.completed_at
    return RunSummary(
        run_id=row.workflow_id,
        name=str((row.attributes or {}).get("name", "")),
        state=STATES[row.status],
        created_at=datetime.fromtimestamp((row.created_at or 0) / 1000, UTC),
        finished_at=None if ended is None else datetime.fromtimestamp(ended / 1000, UTC),
    )
