"""From the events of a run to its state: what happened so far is all that is known."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from models.workflow.contract import (
    Event,
    Failure,
    ItemStatus,
    Service,
    State,
    TaskState,
    TaskStatus,
)
from models.workflow.spec import Spec, Task

STARTED: Final = "workflow.started"
ENDINGS: Final[Mapping[str, State]] = {
    "workflow.completed": "completed",
    "workflow.failed": "failed",
    "workflow.cancelled": "cancelled",
}
ITEM_STATES: Final[Mapping[str, TaskState]] = {
    "task.started": "running",
    "task.progress": "running",
    "task.waiting": "running",
    "task.retrying": "running",
    "task.completed": "completed",
    "task.failed": "failed",
    "task.skipped": "skipped",
}
DONE: Final = frozenset({"completed", "skipped"})
OVER: Final = DONE | {"failed", "cancelled"}


def ending_of(events: Iterable[Event]) -> Event | None:
    """The event that ended the run."""
    return next((event for event in events if event.name in ENDINGS), None)


def task_statuses(
    spec: Spec, events: Sequence[Event], outputs: Mapping[str, JsonValue]
) -> tuple[TaskStatus, ...]:
    """State of every task.

    Args:
        spec: The graph.
        events: Of the run, in order.
        outputs: Of finished tasks.
    """
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.task is not None:
            found.setdefault(event.task, []).append(event)
    ended = ending_of(events)
    cancelled = ended is not None and ENDINGS[ended.name] == "cancelled"
    return tuple(
        _task(task, found.get(task.id, []), outputs.get(task.id), cancelled) for task in spec.tasks
    )


def _task(task: Task, events: list[Event], outputs: JsonValue, cancelled: bool) -> TaskStatus:
    count = max([_size(event) for event in events if event.item is None], default=0)
    items = {event.item: ItemStatus() for event in events if event.item is not None}
    items |= {number: ItemStatus() for number in range(count) if number not in items}
    for event in events:
        if event.item is not None:
            items[event.item] = _after(items[event.item], event)
    skipped = any(e.name == "task.skipped" and e.item is None for e in events)
    ordered = tuple(_stopped(items[number], cancelled) for number in sorted(items))
    return _summed(task, ordered, outputs, skipped, cancelled)


def _size(event: Event) -> int:
    size = event.data.get("items", 0)
    return size if isinstance(size, int) else 0


def _after(item: ItemStatus, event: Event) -> ItemStatus:
    changes: dict[str, object] = {"state": ITEM_STATES[event.name]}
    if event.attempt is not None:
        changes["attempts"] = max(item.attempts, event.attempt)
    if event.name == "task.started":
        changes |= {"started_at": item.started_at or event.at, "progress": 0.0, "failure": None}
    if event.name == "task.progress":
        changes |= {"progress": event.data["fraction"], "stage": event.data["stage"]}
        preview = event.data.get("preview")
        if isinstance(preview, dict):
            changes["preview_url"] = preview["url"]
    if event.name in ("task.failed", "task.retrying"):
        changes["failure"] = Failure.model_validate(event.data["failure"])
    if event.name == "task.completed":
        changes |= {"progress": 1.0, "memoized": bool(event.data.get("memoized")), "failure": None}
    if changes["state"] in OVER:
        changes |= {"finished_at": event.at, "preview_url": None}
    return item.model_copy(update=changes)


def _stopped(item: ItemStatus, cancelled: bool) -> ItemStatus:
    if cancelled and item.state not in OVER:
        return item.model_copy(update={"state": "cancelled"})
    return item


def _summed(
    task: Task,
    items: tuple[ItemStatus, ...],
    outputs: JsonValue,
    skipped: bool,
    cancelled: bool,
) -> TaskStatus:
    starts = [item.started_at for item in items if item.started_at]
    state = _state(items, skipped, cancelled)
    ends = [item.finished_at for item in items if item.finished_at]
    return TaskStatus(
        id=task.id,
        uses=task.uses,
        state=state,
        attempts=sum(item.attempts for item in items),
        progress=1.0 if state in DONE else statistics.fmean([i.progress for i in items] or [0.0]),
        stage=next((item.stage for item in items if item.state == "running"), ""),
        preview_url=next((item.preview_url for item in items if item.preview_url), None),
        started_at=min(starts, default=None),
        finished_at=max(ends, default=None) if state in OVER else None,
        memoized=bool(items) and all(item.memoized for item in items),
        outputs=outputs,
        failure=next((item.failure for item in items if item.failure), None),
        items=items if task.fans_out else (),
    )


def _state(items: Sequence[ItemStatus], skipped: bool, cancelled: bool) -> TaskState:
    states = {item.state for item in items}
    if skipped or states == {"skipped"}:
        return "skipped"
    if "running" in states or (states & OVER and "pending" in states):
        return "running"
    for state in ("failed", "cancelled", "completed"):
        if state in states:
            return state
    return "cancelled" if cancelled else "pending"


def progress_of(tasks: Sequence[TaskStatus], services: Mapping[str, Service]) -> float:
    """Share of the work that is done, tasks weighted by how long they usually take."""
    weights = [_typical_s(task, services) for task in tasks]
    done = sum(weight * task.progress for weight, task in zip(weights, tasks, strict=True))
    return min(1.0, done / sum(weights))


def eta_s(
    tasks: Sequence[TaskStatus],
    order: Sequence[Sequence[str]],
    services: Mapping[str, Service],
    now: datetime,
) -> float:
    """Seconds left: of each wave the slowest, from its own pace where it shows one."""
    by_id = {task.id: task for task in tasks}
    return sum(max(_left_s(by_id[name], services, now) for name in wave) for wave in order)


def _left_s(task: TaskStatus, services: Mapping[str, Service], now: datetime) -> float:
    if task.state in OVER:
        return 0.0
    typical_s = _typical_s(task, services)
    if task.started_at is None:
        return typical_s
    elapsed_s = (now - task.started_at).total_seconds()
    if task.progress > 0:
        return elapsed_s * (1 - task.progress) / task.progress
    # What has taken longer than usual without a sign may take as long again.
    return max(typical_s - elapsed_s, 0.1 * typical_s, elapsed_s if elapsed_s > typical_s else 0.0)


def _typical_s(task: TaskStatus, services: Mapping[str, Service]) -> float:
    service = services.get(task.uses)
    return max(service.typical_s() if service else 1.0, 0.001)
