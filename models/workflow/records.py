"""What a run leaves behind, as lists and later runs need it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from models.core.errors import InvalidInput
from models.workflow.calls import Payload
from models.workflow.contract import FINAL, Event, Failure, RunStatus, Service, State
from models.workflow.events import ENDINGS, ending_of, eta_s, progress_of, task_statuses
from models.workflow.plan import needs_of, waves
from models.workflow.spec import Spec


@dataclass(frozen=True)
class Known:
    """What the store says of a run.

    Attributes:
        run_id: Of the run.
        payload: As it was accepted.
        state: In which it keeps the run.
        recoveries: How often another process went on with it.
    """

    run_id: str
    payload: Payload
    state: State
    recoveries: int


def described(known: Known, events: Sequence[Event], services: Mapping[str, Service]) -> RunStatus:
    """All that callers see of a run; its events say more than the store, and sooner."""
    payload = known.payload
    spec, now = Spec.model_validate(payload.spec), datetime.now(UTC)
    ending = ending_of(events)
    tasks = task_statuses(spec, events, outputs_of(spec, events))
    state = ENDINGS[ending.name] if ending else known.state
    order = waves({task.id: needs_of(task) for task in spec.tasks})
    failure = ending.data.get("failure") if ending else None
    outputs = ending.data.get("outputs") if ending else None
    return RunStatus(
        run_id=known.run_id,
        name=spec.name,
        state=state,
        created_at=datetime.fromtimestamp(payload.accepted_at, UTC),
        finished_at=ending.at if ending else None,
        progress=1.0 if state == "completed" else progress_of(tasks, services),
        eta_s=None if state in FINAL else round(eta_s(tasks, order, services, now), 2),
        trace_id=payload.trace_id,
        inputs=spec.inputs,
        tasks=tasks,
        outputs=outputs if isinstance(outputs, dict) else {},
        failure=Failure.model_validate(failure) if failure else None,
        retry_of=payload.retry_of,
        recoveries=known.recoveries,
    )


def outputs_of(spec: Spec, events: Sequence[Event]) -> dict[str, JsonValue]:
    """Outputs of finished tasks; of those that fan out, a list."""
    found: dict[str, dict[int, JsonValue]] = {}
    for event in events:
        if event.name == "task.completed" and event.task is not None:
            found.setdefault(event.task, {})[event.item or 0] = event.data.get("output")
    fans_out = {task.id for task in spec.tasks if task.fans_out}
    return {
        name: [items[n] for n in sorted(items)] if name in fans_out else items[0]
        for name, items in found.items()
    }


def reusable(spec: Spec, events: Sequence[Event], from_task: str | None) -> dict[str, JsonValue]:
    """Outputs that a retry reuses, by task and item: those of no task that it runs again."""
    again: set[str] = set()
    if from_task is not None:
        if from_task not in {task.id for task in spec.tasks}:
            raise InvalidInput(f"there is no task {from_task!r} in this graph")
        needs = {task.id: needs_of(task) for task in spec.tasks}
        again.add(from_task)
        for wave in waves(needs):
            again |= {name for name in wave if again.intersection(needs[name])}
    return {
        f"{event.task}:{event.item}": event.data.get("output")
        for event in events
        if event.name == "task.completed" and event.task not in again
    }
