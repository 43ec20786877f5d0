"""Performs one call of a task: condition, arguments, memory, attempts, and the record of them."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from pydantic import JsonValue

from models.core.errors import CapabilityError, CapacityExceeded, InvalidInput, StorageFull
from models.workflow.calls import (
    Call,
    Expansion,
    History,
    Interrupted,
    Outcome,
    Overdue,
    Poisoned,
    Run,
    Scope,
    failure_of,
    outcome_of,
)
from models.workflow.contract import StepContext, Steps, unfenced
from models.workflow.expressions import ExpressionError, evaluate, parse, render
from models.workflow.gate import Gate
from models.workflow.journal import Journal, StaleEpoch
from models.workflow.plan import combinations, tasks_read_by
from models.workflow.progress import Progress
from models.workflow.spec import MAX_FAN_OUT, Task
from models.workflow.values import Memo, Outputs, canonical, memo_key

logger = logging.getLogger(__name__)

KeepPreview = Callable[[str, str, bytes, str], Awaitable[str]]

MAX_INTERRUPTIONS: Final = 10
MAX_WAIT_S: Final = 86400.0  # for a place or for room; a film before it may take hours
TRANSIENT: Final = frozenset({429, 500, 502, 503, 504})


class Performer:
    """Performs calls on behalf of the interpreter.

    Args:
        steps: Reaches the capabilities.
        journal: Takes the events.
        outputs: Holds large values.
        memo: Remembers results.
        epoch: Of this executor.
        gate: Bounds the calls at the same time.
        fence: Raises once the lease of this executor is lost; given to the steps.
        keep_preview: URL of a large preview, from run, owner, bytes and media type.
    """

    def __init__(
        self,
        steps: Steps,
        journal: Journal,
        outputs: Outputs,
        memo: Memo,
        *,
        epoch: int = 0,
        gate: Gate | None = None,
        fence: Callable[[], Awaitable[None]] = unfenced,
        keep_preview: KeepPreview,
    ) -> None:
        self._steps = steps
        self._journal = journal
        self._outputs = outputs
        self._memo = memo
        self._epoch = epoch
        self._gate = gate or Gate(64)
        self._fence = fence
        self._keep_preview = keep_preview

    async def expand(self, call: Call, skip: bool) -> Expansion:
        """The items of a task that fans out; a false condition leaves it without any."""
        try:
            values = {} if skip else await self._values(call)
            if skip or not _holds(call.task, values):
                await self._write(call, "task.skipped", item=None)
                return Expansion(ended=Outcome(state="skipped"))
            items = _items(call.task, values)
        except (ExpressionError, CapabilityError) as error:
            return Expansion(ended=await self._fail(call, 0, _as_problem(error), item=None))
        await self._write(call, "task.expanded", item=None, data={"items": len(items)})
        return Expansion(items=items)

    async def perform(self, call: Call, skip: bool) -> Outcome:
        """End a call, by work or by what is known of it already."""
        history = await self._history(call)
        if history.ending is not None:
            return outcome_of(history.ending)
        if skip:
            return await self._skip(call)
        reusable = f"{call.task.id}:{call.item}"
        if reusable in call.run.payload.reuse:
            output = call.run.payload.reuse[reusable]
            return await self._complete(call, output, 0, {"reused": True})
        try:
            values = await self._values(call)
            if not call.task.fans_out and not _holds(call.task, values):
                return await self._skip(call)
            arguments = render(dict(call.task.arguments), values)
            assert isinstance(arguments, dict)  # noqa: S101 - a template of a dict gives one
        except (ExpressionError, CapabilityError) as error:
            return await self._fail(call, history.started, _as_problem(error))
        return await self._from_memory(call, arguments, history) or await self._attempts(
            call, arguments, history
        )

    async def _history(self, call: Call) -> History:
        if not call.run.resumed:
            return History()
        return History.of(await self._journal.of_item(call.run.run_id, call.task.id, call.item))

    async def _values(self, call: Call) -> dict[str, JsonValue]:
        return {**await self.values_of(call.run, tasks_read_by(call.task)), **call.names}

    async def values_of(self, run: Run, names: Iterable[str]) -> dict[str, JsonValue]:
        """What expressions over these tasks can see, large outputs loaded."""
        tasks: dict[str, JsonValue] = {}
        for name in names:
            if name in run.outputs:
                packed, owner = run.outputs[name], run.payload.owner
                tasks[name] = {"outputs": await asyncio.to_thread(self._unpack, packed, owner)}
        return {"tasks": tasks, "inputs": dict(run.spec.inputs)}

    def _unpack(self, packed: JsonValue, owner: str) -> JsonValue:
        if isinstance(packed, list):
            return [self._outputs.unpack(item, owner) for item in packed]
        return self._outputs.unpack(packed, owner)

    async def _from_memory(self, call: Call, arguments: Scope, history: History) -> Outcome | None:
        key = await self._memo_key(call, arguments)
        asset_id = await self._memo.recall(key) if key else None
        if asset_id is None:
            return None
        owner = call.run.payload.owner
        try:
            output = await asyncio.to_thread(self._outputs.load, asset_id, owner)
            if not await asyncio.to_thread(self._outputs.are_whole, output, owner):
                return None
        except CapabilityError:
            return None
        packed = await asyncio.to_thread(self._outputs.pack, output, owner)
        return await self._complete(call, packed, history.started, {"memoized": True})

    async def _memo_key(self, call: Call, arguments: Scope) -> str | None:
        if not (call.task.memoize and call.run.spec.memoize):
            return None
        fingerprint = await self._steps.fingerprint(call.task.uses, arguments)
        if fingerprint is None:
            return None
        return memo_key(call.run.payload.owner, call.task.uses, fingerprint, arguments)

    async def _attempts(self, call: Call, arguments: Scope, history: History) -> Outcome:
        attempt, failures = history.started - history.waited, history.retried
        interruptions, waited_s = history.interruptions, 0.0
        while True:
            if interruptions >= MAX_INTERRUPTIONS:
                detail = f"{interruptions} processes ended while they ran this task"
                return await self._fail(call, attempt, Poisoned(detail))
            attempt += 1
            try:
                output = await self._once(call, arguments, attempt)
                return await self._keep(call, arguments, output, attempt)
            except StaleEpoch:
                raise
            except Interrupted as error:
                interruptions += 1
                wait_s = min(error.retry_after_s or 0.0, 0.5 * interruptions)  # calls wait as well
            except (CapacityExceeded, StorageFull) as error:
                # Less and less often, since each time leaves an event.
                wait_s = max(error.retry_after_s or 1.0, min(60.0, waited_s / 20))
                waited_s += wait_s
                if waited_s > MAX_WAIT_S or call.run.is_over_in(wait_s):
                    return await self._fail(call, attempt, error)
                await self._write(call, "task.waiting", attempt, data={"wait_s": wait_s})
                attempt -= 1
            except Exception as error:  # noqa: BLE001 - whatever a step raises ends the attempt
                failures += 1
                pause_s = self._wait_s(call, error, failures)
                if pause_s is None:
                    return await self._fail(call, attempt, error)
                wait_s = pause_s
                failure = failure_of(error).model_dump(mode="json")
                data = {"failure": failure, "wait_s": wait_s}
                await self._write(call, "task.retrying", attempt, data=data)
            await asyncio.sleep(wait_s)

    def _wait_s(self, call: Call, error: Exception, failures: int) -> float | None:
        """Seconds before the next attempt, `None` where there is none."""
        failure = failure_of(error)
        if failure.code == "internal-error":
            logger.error("step failed", exc_info=error, extra={"uses": call.task.uses})
        if failure.status not in TRANSIENT or failures >= call.task.retry.max_attempts:
            return None
        wait_s = max(call.task.retry.wait_s(failures), failure.retry_after_s or 0.0)
        return None if call.run.is_over_in(wait_s) else wait_s

    async def _once(self, call: Call, arguments: Scope, attempt: int) -> JsonValue:
        task, run = call.task, call.run
        priority = run.spec.priority if task.priority is None else task.priority
        capability = task.uses.partition(".")[0]
        async with self._gate.place(priority, run.payload.owner, capability):
            limit_s = call.limit_s
            keep = partial(self._keep_preview, run.run_id, run.payload.owner)
            progress = Progress(self._journal, call, attempt, keep)
            context = StepContext(
                owner=run.payload.owner,
                run_id=run.run_id,
                task_id=task.id,
                item=call.item,
                attempt=attempt,
                key=call.key,
                epoch=self._epoch,
                fence=self._fence,
                progress=progress.tell,
                preview=progress.show,
            )
            process: dict[str, JsonValue] = {"epoch": self._epoch, "pid": os.getpid()}
            await self._write(call, "task.started", attempt, data=process)
            try:
                async with asyncio.timeout(limit_s):
                    return await self._steps.perform(task.uses, arguments, context)
            except TimeoutError as error:
                detail = (
                    "the attempt took too long"
                    if limit_s is None
                    else (f"the attempt was stopped after {limit_s:.3g} s")
                )
                raise Overdue(detail) from error
            finally:
                await progress.stop()

    async def _keep(self, call: Call, arguments: Scope, output: JsonValue, attempt: int) -> Outcome:
        owner = call.run.payload.owner
        packed = await asyncio.to_thread(self._outputs.pack, output, owner)
        key = await self._memo_key(call, arguments)
        if key is not None:
            content = canonical(output)
            asset_id = await asyncio.to_thread(self._outputs.keep, content, owner)
            await self._memo.remember(key, asset_id)
        return await self._complete(call, packed, attempt, {})

    async def _complete(
        self, call: Call, packed: JsonValue, attempt: int, more: dict[str, JsonValue]
    ) -> Outcome:
        await self._write(call, "task.completed", attempt, data={"output": packed, **more})
        return Outcome(state="completed", output=packed)

    async def _skip(self, call: Call) -> Outcome:
        await self._write(call, "task.skipped")
        return Outcome(state="skipped")

    async def _fail(
        self, call: Call, attempt: int, error: Exception, item: int | None = 0
    ) -> Outcome:
        failure = failure_of(error)
        data = {"failure": failure.model_dump(mode="json")}
        await self._write(
            call, "task.failed", attempt, item=None if item is None else call.item, data=data
        )
        return Outcome(state="failed", failure=failure)

    async def _write(
        self,
        call: Call,
        name: str,
        attempt: int | None = None,
        *,
        item: int | None = -1,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        place = call.item if item is not None else None
        await self._journal.append(call.run.entry(name, call.task.id, place, attempt or None, data))


def _holds(task: Task, values: Scope) -> bool:
    return task.condition is None or bool(evaluate(parse(task.condition), values))


def _items(task: Task, values: Scope) -> tuple[dict[str, JsonValue], ...]:
    """Names that only an item has."""
    rows = combinations(task)
    if rows is not None:
        return tuple({"matrix": row, "index": number} for number, row in enumerate(rows))
    found = task.foreach
    if isinstance(found, str):
        found = evaluate(parse(found), values)  # type: ignore[assignment]  # checked below
    if not isinstance(found, list | tuple):
        raise InvalidInput("foreach needs a list")
    if len(found) > MAX_FAN_OUT:
        raise InvalidInput(f"foreach has {len(found)} items; at most {MAX_FAN_OUT} are allowed")
    rendered = render(list(found), values) if isinstance(task.foreach, tuple) else list(found)
    assert isinstance(rendered, list)  # noqa: S101 - a template of a list gives one
    return tuple({"item": item, "index": number} for number, item in enumerate(rendered))


def _as_problem(error: Exception) -> CapabilityError:
    return error if isinstance(error, CapabilityError) else InvalidInput(str(error))
