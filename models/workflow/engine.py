"""The engine on DBOS, which only this module and `checkpoints` know.

A run is one DBOS workflow, `dag.v1`, that interprets its graph. DBOS keeps the checkpoints; leases,
fencing, events and the memory of results are ours, as tables in the same database.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from dbos import DBOS, SetWorkflowID
from dbos import WorkflowStatus as Row
from dbos._context import DBOSContextSetAuth
from pydantic import JsonValue

from models.core.artifacts import ArtifactStore
from models.core.errors import Conflict, InvalidInput, UpstreamUnavailable
from models.workflow.calls import Payload, Run
from models.workflow.checkpoints import (
    POLL_S,
    STATES,
    ReservedStep,
    configuration,
    ended_before,
    hand_over,
    payload_of,
    refuse_pickles,
    try_often,
)
from models.workflow.contract import (
    FINAL,
    Event,
    Page,
    Query,
    Request,
    RunStatus,
    Steps,
    Submitted,
    Usage,
)
from models.workflow.database import Database
from models.workflow.duties import every
from models.workflow.events import ENDINGS, STARTED, ending_of
from models.workflow.gate import Gate
from models.workflow.intake import Intake
from models.workflow.interpreter import RunFailed, interpret
from models.workflow.journal import StaleEpoch
from models.workflow.leases import Lease
from models.workflow.occupancy import Occupancy
from models.workflow.options import EngineOptions
from models.workflow.orphans import find_orphans
from models.workflow.performer import Performer
from models.workflow.previews import Previews
from models.workflow.records import Known, described, reusable
from models.workflow.registry import Registered, Registry
from models.workflow.spec import Spec
from models.workflow.sql_journal import SqlJournal, SqlMemo
from models.workflow.values import Outputs, digest
from models.workflow.webhooks import Dispatcher, Post, post_nowhere

logger = logging.getLogger(__name__)

T = TypeVar("T")

WORKFLOW: Final = "dag.v1"
SWEEP_S: Final = 0.25
DISPATCH_S: Final = 0.5
BEGINNERS: Final = 4  # side by side, into a store that writes one thing at a time
RECLAIM_S: Final = 3.0
OWN_POLL_S: Final = 0.5  # this process is told of what it writes; another one may cancel a run
CLEAR_S: Final = 5.0
EXPIRY_S: Final = 600.0
EXPIRY_BATCH: Final = 200
ENDING_NAMES: Final = tuple(ENDINGS)


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
        self._previews = Previews(self._database, store)
        self._dispatcher = Dispatcher(self._database, post)
        self._registry = Registry(self._database, self._lease.epoch)
        self._intake = Intake(self._begin, lambda: self._registry.is_busy)
        self._gate = Gate(options.max_steps, options.max_steps_per_owner)
        self._busy = Occupancy(options, self._intake, self._gate, self._database.path)
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
            gate=self._gate,
            fence=self._lease.fence,
            keep_preview=self._previews.keep,
        )
        refuse_pickles()
        try_often()
        self._dbos = DBOS(
            config=configuration(self._database, self._checkpoints, self._lease.executor_id)
        )

        async def dag(payload: dict[str, Any]) -> dict[str, JsonValue]:
            return await self._execute(payload)

        self._dag = DBOS.workflow(name=WORKFLOW)(dag)
        await asyncio.to_thread(DBOS.launch)
        duties: Sequence[tuple[float, Callable[[], Awaitable[object]]]] = (
            (SWEEP_S, self.take_over),
            (SWEEP_S, self._lease.end_what_holds_up),
            (RECLAIM_S, self.reclaim),
            (EXPIRY_S, partial(self.expire, self._options.retention_s)),
            (DISPATCH_S, self._dispatcher.deliver_due),
            (CLEAR_S, self._previews.clear),
        )
        self._background = [asyncio.create_task(every(*duty)) for duty in duties]
        self._background += [asyncio.create_task(self._intake.drain()) for _ in range(BEGINNERS)]

    async def close(self) -> None:
        """Stop; what is under way goes on in another executor at once."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self._lease.release)
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        self._checkpoints.dispose()
        self._database.close()

    @property
    def active_runs(self) -> int:
        """Runs under way in this process, or about to be."""
        return len(self._busy.owners)

    async def submit(self, request: Request) -> Submitted:
        """Accept a run: after the return it survives any crash.

        Raises:
            InvalidInput: The id belongs to a run with another payload.
            CapacityExceeded: Too many runs are under way, or too many of this owner's.
            StorageFull: The store has too little room.
        """
        if not self._lease.is_certain:
            raise UpstreamUnavailable("the database of runs does not answer", 2.0)
        spec = request.spec.to_json()
        payload = Payload(
            owner=request.owner,
            spec=spec,
            accepted_at=time.time(),
            trace_id=request.trace_id,
            retry_of=request.retry_of,
            reuse=dict(request.reuse),
        )
        run = Registered(
            request.run_id,
            request.owner,
            request.spec.name,
            digest(spec),
            payload.accepted_at,
            payload,
        )
        with self._busy.arriving(run.run_id, run.owner):
            known = await self._registry.enter(run)
        if known is None:
            self._intake.put(run)
        elif known != run.digest:
            raise InvalidInput(
                "this Idempotency-Key was used with another payload; choose a new one"
            )
        return Submitted(run_id=request.run_id, created=known is None)

    async def _begin(self, run: Registered) -> None:
        """Hand an accepted run to DBOS, which begins it here unless it knows it already."""
        assert run.payload is not None  # noqa: S101 - it has not begun
        with SetWorkflowID(run.run_id), DBOSContextSetAuth(run.owner, None):
            handle = await DBOS.start_workflow_async(self._dag, run.payload.model_dump(mode="json"))
        if hasattr(handle, "task"):  # DBOS answers with a task where it runs one
            self._busy.began(run.run_id, run.owner)
        await self._registry.begun(run.run_id)

    async def _execute(self, payload: dict[str, Any]) -> dict[str, JsonValue]:
        """The workflow."""
        run_id = DBOS.workflow_id
        assert run_id is not None  # noqa: S101 - within a workflow
        accepted = Payload.model_validate(payload)
        run = Run(run_id, accepted, Spec.model_validate(accepted.spec))
        self._busy.began(run_id, accepted.owner)
        try:
            return await self._to_its_end(run)
        finally:
            self._busy.ended(run_id)

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

    def _checkpoint(self) -> ReservedStep:
        return ReservedStep(DBOS.reserve_step(), self._here)

    async def _here(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work in the loop that started the engine: DBOS recovers runs in one of its own."""
        try:
            if asyncio.get_running_loop() is self._loop:
                return await work
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        except StaleEpoch:
            self._lost()
            await asyncio.Event().wait()  # to raise would write an end of the step or of the run
            raise

    async def _row(self, run_id: str, owner: str, *, loads: bool = False) -> Row | None:
        rows = await DBOS.list_workflows_async(
            workflow_ids=[run_id], user=owner, name=WORKFLOW, load_input=loads, load_output=False
        )
        return rows[0] if rows else None

    async def _known(self, run_id: str, owner: str) -> Known | None:
        """What the store says of a run, `None` where the owner has none of this name."""
        accepted = await self._registry.of(run_id, owner)
        if accepted is None:
            return None
        if accepted.payload is not None:
            return Known(run_id, accepted.payload, "pending", 0)
        row = await self._row(run_id, owner, loads=True)
        if row is None:
            return None
        recoveries = max(0, (row.recovery_attempts or 1) - 1)
        return Known(run_id, payload_of(row), STATES[row.status], recoveries)

    async def status(self, run_id: str, owner: str) -> RunStatus | None:
        """State of a run, `None` where the owner has none of this name."""
        known = await self._known(run_id, owner)
        if known is None:
            return None
        return described(known, await self._journal.after(run_id, -1), self._steps.services())

    async def find(self, query: Query) -> Page:
        """Runs of an owner, newest first."""
        return await self._registry.find(query)

    async def usage(self, owner: str) -> Usage:
        """What an owner has under way in this process."""
        return self._busy.usage(owner)

    async def cancel(self, run_id: str, owner: str) -> bool:
        """Stop a run; false where it is unknown."""
        accepted = await self._registry.of(run_id, owner)
        if accepted is not None and accepted.payload is not None:
            await self._intake.begin(accepted)  # only DBOS can remember that it is cancelled
        known = await self._known(run_id, owner)
        if known is None:
            return False
        run = Run(run_id, known.payload, Spec.model_validate(known.payload.spec))
        if await self._journal.append(run.entry("workflow.cancelled", exclusive=ENDING_NAMES)):
            await DBOS.cancel_workflow_async(run_id)
        return True

    async def retry(self, run_id: str, owner: str, from_task: str | None = None) -> str | None:
        """A new run that reuses what was finished; `None` where the run is unknown.

        Raises:
            Conflict: The run is not over.
            InvalidInput: It has no such task.
        """
        known = await self._known(run_id, owner)
        if known is None:
            return None
        events = await self._journal.after(run_id, -1)
        if ending_of(events) is None and known.state not in FINAL:
            raise Conflict("the task is still under way; cancel it first")
        spec = Spec.model_validate(known.payload.spec)
        again = f"{run_id.split('.')[0]}.{secrets.token_hex(4)}"
        reuse = reusable(spec, events, from_task)
        await self.submit(Request(again, owner, spec, known.payload.trace_id, run_id, reuse))
        return again

    async def events(self, run_id: str, owner: str, after: int = -1) -> AsyncIterator[Event]:
        """What happened after an event, and then what happens, to the end of the run."""
        known, checked_s = await self._known(run_id, owner), time.monotonic()
        with self._journal.watching(run_id) as news:
            while known is not None:
                news.clear()
                found = await self._journal.after(run_id, after)
                for event in found:
                    after = event.number
                    yield event
                if ending_of(found) is not None:
                    return
                if not found and known.state in FINAL:
                    return  # it ended before this reader came, with an event that it has seen
                with suppress(TimeoutError):
                    pause_s = OWN_POLL_S if run_id in self._busy else POLL_S
                    await asyncio.wait_for(news.wait(), pause_s)
                if time.monotonic() - checked_s > 2:
                    known, checked_s = await self._known(run_id, owner), time.monotonic()

    async def take_over(self) -> list[str]:
        """Fence executors whose lease ended, and run what they left; gives their runs."""
        found = await asyncio.to_thread(find_orphans, self._database, self._lease)
        if found.is_any_dead:
            await asyncio.to_thread(self._lease.fence_dead)
            found = await asyncio.to_thread(find_orphans, self._database, self._lease)
        begun = found.begun
        taken = await asyncio.to_thread(hand_over, self._dbos, begun) if begun else []
        waiting = [name for name in found.waiting if name not in self._intake]
        for run in await self._registry.waiting(waiting) if waiting else ():
            taken.append(run.run_id)
            self._intake.put(run)
        if taken:
            logger.warning("runs taken over", extra={"count": len(taken)})
        return taken

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
        idle = frozenset(row.workflow_id for row in rows) - self._busy.owners.keys()
        dropped, self._idle = sorted(idle & self._idle), idle
        for run_id in dropped:
            logger.warning("dropped run is run again", extra={"run_id": run_id})
            await asyncio.to_thread(hand_over, self._dbos, {run_id: self._lease.executor_id})
        return dropped

    async def expire(self, age_s: float) -> int:
        """Forget runs that ended, and results remembered, so long ago; gives the number of runs."""
        await self._memo.forget(time.time() - age_s)
        forgotten = 0
        while True:
            ids = await ended_before(WORKFLOW, time.time() - age_s, EXPIRY_BATCH)
            if ids:
                await self._journal.delete(ids)
                await self._registry.delete(ids)
                await DBOS.delete_workflows_async(ids)
            forgotten += len(ids)
            if len(ids) < EXPIRY_BATCH:
                return forgotten
