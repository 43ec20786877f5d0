"""Runs a graph over checkpoints: each task when what it needs has ended well.

Checkpoints are reserved in the order of the document before anything runs, so that a replay
finds each under its number whichever branch ended first.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import JsonValue

from models.core.errors import CapabilityError
from models.workflow.calls import Call, Expansion, Outcome, Run
from models.workflow.contract import Failure
from models.workflow.expressions import ExpressionError, render
from models.workflow.performer import Performer
from models.workflow.plan import needs_of, read_by_outputs, reserved_size
from models.workflow.spec import Task


class Checkpoint(Protocol):
    """A numbered place in the record of a run."""

    async def run(self, name: str, work: Callable[[], Coroutine[Any, Any, JsonValue]]) -> JsonValue:
        """What the record says, or else what the work gives, recorded."""
        ...


@dataclass(frozen=True)
class _Places:
    """The checkpoints of one task."""

    plan: Checkpoint
    items: tuple[Checkpoint, ...]


class RunFailed(Exception):
    """The run ended badly; the first failure says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


async def interpret(
    run: Run, performer: Performer, reserve: Callable[[], Checkpoint]
) -> dict[str, JsonValue]:
    """Named outputs of a run, once every task has ended.

    Args:
        run: What to do.
        performer: Performs the calls.
        reserve: Gives the next checkpoint.

    Raises:
        RunFailed: A task failed; what did not need it was finished all the same.
    """
    places = {
        task.id: _Places(reserve(), tuple(reserve() for _ in range(reserved_size(task))))
        for task in run.spec.tasks
    }
    outcomes = await _Interpreter(run, performer, places).execute()
    for task in run.spec.tasks:
        failure = outcomes[task.id].failure
        if failure is not None:
            raise RunFailed(failure)
    return await _named_outputs(run, performer)


class _Interpreter:
    def __init__(self, run: Run, performer: Performer, places: dict[str, _Places]) -> None:
        self._run = run
        self._performer = performer
        self._places = places
        self._ended: dict[str, asyncio.Future[Outcome]] = {}

    async def execute(self) -> dict[str, Outcome]:
        loop = asyncio.get_running_loop()
        self._ended = {task.id: loop.create_future() for task in self._run.spec.tasks}
        try:
            async with asyncio.TaskGroup() as group:
                for task in self._run.spec.tasks:
                    group.create_task(self._execute(task))
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from None  # the store knows its own exceptions by their class
        return {name: ended.result() for name, ended in self._ended.items()}

    async def _execute(self, task: Task) -> None:
        needed = [await asyncio.shield(self._ended[name]) for name in needs_of(task)]
        skip = any(outcome.state != "completed" for outcome in needed)
        places = self._places[task.id]
        if task.fans_out:
            outcome = await self._fan_out(task, places, skip)
        else:
            outcome = await self._call(Call(self._run, task, 0), task.id, places.items[0], skip)
        if outcome.state == "completed":
            self._run.outputs[task.id] = outcome.output
        self._ended[task.id].set_result(outcome)

    async def _call(self, call: Call, name: str, place: Checkpoint, skip: bool) -> Outcome:
        async def work() -> JsonValue:
            outcome = await self._performer.perform(call, skip)
            return outcome.model_dump(mode="json")

        return Outcome.model_validate(await place.run(name, work))

    async def _fan_out(self, task: Task, places: _Places, skip: bool) -> Outcome:
        async def work() -> JsonValue:
            expanded = await self._performer.expand(Call(self._run, task, 0), skip)
            return expanded.model_dump(mode="json")

        expansion = Expansion.model_validate(await places.plan.run(f"{task.id}/items", work))
        if expansion.ended is not None:
            return expansion.ended
        calls = [Call(self._run, task, n, names) for n, names in enumerate(expansion.items)]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._call(call, f"{task.id}/{call.item}", places.items[call.item], False)
                )
                for call in calls
            ]
        outcomes = [done.result() for done in tasks]
        failed = [outcome for outcome in outcomes if outcome.state == "failed"]
        if failed:
            return failed[0]
        return Outcome(state="completed", output=[outcome.output for outcome in outcomes])


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _named_outputs(run: Run, performer: Performer) -> dict[str, JsonValue]:
    """Outputs of the spec; one that depends on a skipped task is null."""
    found: dict[str, JsonValue] = {}
    values = await performer.values_of(run, read_by_outputs(run.spec))
    for name, template in run.spec.outputs.items():
        try:
            found[name] = render(template, values)
        except (ExpressionError, CapabilityError):
            found[name] = None
    return found
