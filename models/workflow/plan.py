"""The order of a graph: what a task waits for, its items, and what may run side by side."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from pydantic import JsonValue

from models.workflow.expressions import (
    Expression,
    ExpressionError,
    Path,
    Written,
    expressions_in,
    parse,
    paths_of,
    render,
)
from models.workflow.spec import MAX_FAN_OUT, Spec, Task


class CycleError(ValueError):
    """Tasks wait for each other."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__("these tasks wait for each other: " + " -> ".join((*tasks, tasks[0])))
        self.tasks = tuple(tasks)


def written_in(task: Task) -> Iterator[Written]:
    """Every expression of a task, with its JSON Pointer within the task."""
    if task.condition is not None:
        yield Written("/if", task.condition, True)
    if isinstance(task.foreach, str):
        yield Written("/foreach", task.foreach, True)
    elif task.foreach is not None:
        yield from expressions_in(list(task.foreach), "/foreach")
    yield from expressions_in(task.arguments, "/with")


def written_in_outputs(spec: Spec) -> Iterator[Written]:
    """Every expression of the named outputs."""
    yield from expressions_in(spec.outputs, "/outputs")


def read(text: str) -> Expression | None:
    """The expression, or nothing if it cannot be read; validation tells why."""
    try:
        return parse(text)
    except ExpressionError:
        return None


def task_of(path: Path) -> str | None:
    """The task that a path leads through."""
    if path.root == "tasks" and path.steps and isinstance(path.steps[0], str):
        return path.steps[0]
    return None


def needs_of(task: Task) -> tuple[str, ...]:
    """Tasks that a task waits for: those named, and those that its expressions read."""
    return tuple(dict.fromkeys((*task.needs, *tasks_read_by(task))))


def tasks_read_by(task: Task) -> tuple[str, ...]:
    """Tasks whose outputs the expressions of a task read."""
    return _tasks_read(written_in(task))


def _tasks_read(found: Iterable[Written]) -> tuple[str, ...]:
    expressions = (read(written.text) for written in found)
    paths = (path for e in expressions if e is not None for path in paths_of(e))
    return tuple(dict.fromkeys(name for path in paths if (name := task_of(path)) is not None))


def read_by_outputs(spec: Spec) -> tuple[str, ...]:
    """Tasks that the named outputs read."""
    return _tasks_read(written_in_outputs(spec))


def waves(needs: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Groups of tasks, each after what it needs; unknown needs are ignored.

    Raises:
        CycleError: There is no such order.
    """
    left = {name: {n for n in wanted if n in needs} for name, wanted in needs.items()}
    found = []
    while left:
        wave = tuple(name for name, wanted in left.items() if not wanted)
        if not wave:
            raise CycleError(_cycle(left))
        found.append(wave)
        left = {n: wanted - set(wave) for n, wanted in left.items() if n not in wave}
    return tuple(found)


def _cycle(left: Mapping[str, set[str]]) -> list[str]:
    name = next(iter(left))
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        name = min(left[name])
    return seen[seen.index(name) :]


def combinations(task: Task) -> tuple[dict[str, JsonValue], ...] | None:
    """What `matrix` is for each item; `None` for a task without a matrix."""
    if task.strategy is None:
        return None
    names = list(task.strategy.matrix)
    rows = itertools.product(*task.strategy.matrix.values())
    return tuple(dict(zip(names, row, strict=True)) for row in rows)


def unconditional(spec: Spec) -> Iterator[Task]:
    """Tasks of a valid graph that run unless another one fails: no condition can skip them."""
    tasks = {task.id: task for task in spec.tasks}
    needs = {task.id: needs_of(task) for task in spec.tasks}
    skippable: set[str] = set()
    for name in itertools.chain.from_iterable(waves(needs)):
        if tasks[name].condition is not None or skippable.intersection(needs[name]):
            skippable.add(name)
        else:
            yield tasks[name]


def foreseen(task: Task, inputs: Mapping[str, JsonValue]) -> Iterator[dict[str, JsonValue]]:
    """Arguments of each call of a task, without those that depend on what other tasks find."""
    for row in combinations(task) or ({},):
        values: dict[str, JsonValue] = {"inputs": dict(inputs), "matrix": row}
        known: dict[str, JsonValue] = {}
        for name, template in task.arguments.items():
            with suppress(ExpressionError):
                known[name] = render(template, values)
        yield known


def known_size(task: Task) -> int | None:
    """How many items a task has, `None` where that is known only when it runs."""
    if task.strategy is not None:
        size = 1
        for values in task.strategy.matrix.values():
            size *= len(values)
        return size
    if isinstance(task.foreach, str):
        return None
    return 1 if task.foreach is None else len(task.foreach)


def reserved_size(task: Task) -> int:
    """Checkpoints that a task needs for its items; their number must not depend on outputs."""
    size = known_size(task)
    return MAX_FAN_OUT if size is None else size
