"""Checks a graph whole, before it is accepted: every fault at once, each where it stands."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from models.core.errors import InvalidInput
from models.workflow.contract import Service
from models.workflow.expressions import Comparison, ExpressionError, Path, Written, parse, paths_of
from models.workflow.plan import (
    CycleError,
    known_size,
    needs_of,
    task_of,
    waves,
    written_in,
    written_in_outputs,
)
from models.workflow.schemas import ANYTHING, NoSuchPath, Shape, mismatch, template_faults
from models.workflow.spec import MAX_FAN_OUT, MAX_SPEC_BYTES, MAX_TASKS, Spec, Task

BOOLEAN = Shape.of({"type": "boolean"})
INTEGER = Shape.of({"type": "integer"})
LIST = Shape.of({"type": "array"})
TEXT = Shape.of({"type": "string"})
SCALAR = Shape.of({"type": ["string", "number", "boolean", "null"]})


@dataclass(frozen=True)
class Fault:
    """Something wrong with a graph.

    Attributes:
        pointer: JSON Pointer to where it stands.
        detail: What was wrong, what was expected.
        place: The same place in words: the name of the task, and the field.
    """

    pointer: str
    detail: str
    place: str = ""


class InvalidGraph(InvalidInput):
    """A graph that is refused, with all its faults."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault; they travel in `args`, so that the error survives pickling."""
        return self.args[2] if len(self.args) > 2 else ()

    @classmethod
    def of(cls, faults: tuple[Fault, ...]) -> "InvalidGraph":
        """The error that tells of these faults."""
        said = (f"{fault.place or fault.pointer}: {fault.detail}" for fault in faults[:5])
        error = cls("; ".join(said))
        error.args = (*error.args, faults)
        return error

    def __reduce__(self) -> tuple[object, ...]:
        return (InvalidGraph.of, (self.faults,))


def check(spec: Spec, services: Mapping[str, Service]) -> None:
    """Refuse a graph that cannot run.

    Raises:
        InvalidGraph: With every fault.
    """
    faults = faults_of(spec, services)
    if faults:
        raise InvalidGraph.of(faults)


def faults_of(spec: Spec, services: Mapping[str, Service]) -> tuple[Fault, ...]:
    """All that is wrong with a graph, in the order of the document."""
    return tuple(
        replace(fault, place=_place(spec, fault.pointer))
        for fault in _Checker(spec, services).faults()
    )


def _place(spec: Spec, pointer: str) -> str:
    """A place in words, for whom the position of a task tells nothing."""
    if not pointer:
        return "the graph"
    parts = pointer.removeprefix("/").split("/")
    place = ""
    if parts[0] == "tasks" and len(parts) > 1:
        place, parts = f"task {spec.tasks[int(parts[1])].id!r}", parts[2:]
    named = parts[1:] if place and parts[:1] == ["with"] and len(parts) > 1 else parts
    return ", ".join(filter(None, (place, ".".join(named))))


class _Checker:
    """The knowledge that the checks share: the tasks by id and the shapes of their outputs."""

    def __init__(self, spec: Spec, services: Mapping[str, Service]) -> None:
        self._spec = spec
        self._services = services
        self._tasks = {task.id: task for task in reversed(spec.tasks)}

    def faults(self) -> Iterator[Fault]:
        yield from self._limits()
        yield from self._repeated_ids()
        for position, task in enumerate(self._spec.tasks):
            yield from self._task(task, f"/tasks/{position}")
        yield from self._cycles()
        for written in written_in_outputs(self._spec):
            yield from self._expression(written, written.pointer, {})

    def _limits(self) -> Iterator[Fault]:
        size = len(json.dumps(self._spec.to_json()).encode())
        if size > MAX_SPEC_BYTES:
            yield Fault("", f"the graph has {size} bytes; at most {MAX_SPEC_BYTES} are accepted")
        total = sum(known_size(task) or 1 for task in self._spec.tasks)
        if total > MAX_TASKS:
            yield Fault(
                "/tasks", f"{total} calls after expansion; at most {MAX_TASKS} are accepted"
            )

    def _repeated_ids(self) -> Iterator[Fault]:
        counts = Counter(task.id for task in self._spec.tasks)
        seen = set()
        for position, task in enumerate(self._spec.tasks):
            if counts[task.id] > 1 and task.id in seen:
                yield Fault(f"/tasks/{position}/id", f"another task is called {task.id!r}")
            seen.add(task.id)

    def _cycles(self) -> Iterator[Fault]:
        try:
            waves({name: needs_of(task) for name, task in self._tasks.items()})
        except CycleError as error:
            ids = [task.id for task in self._spec.tasks]
            first = min(ids.index(name) for name in error.tasks)
            yield Fault(f"/tasks/{first}/needs", str(error))

    def _task(self, task: Task, pointer: str) -> Iterator[Fault]:
        for number, name in enumerate(task.needs):
            if name not in self._tasks:
                yield Fault(f"{pointer}/needs/{number}", f"there is no task {name!r}")
        yield from self._fan_out(task, pointer)
        scope = self._scope(task)
        faults = [
            fault
            for written in written_in(task)
            for fault in self._expression(written, pointer + written.pointer, scope)
        ]
        yield from faults
        if task.uses not in self._services:
            known = ", ".join(sorted(self._services)) or "none"
            yield Fault(f"{pointer}/uses", f"no such service; known are: {known}")
        elif not faults:
            yield from self._arguments(task, pointer, scope)

    def _fan_out(self, task: Task, pointer: str) -> Iterator[Fault]:
        size = known_size(task)
        if size is not None and size > MAX_FAN_OUT:
            where = "/strategy/matrix" if task.strategy else "/foreach"
            yield Fault(pointer + where, f"{size} items; at most {MAX_FAN_OUT} are accepted")

    def _scope(self, task: Task) -> dict[str, Shape]:
        """Shapes of the names that only this task has."""
        scope: dict[str, Shape] = {}
        if task.strategy is not None:
            values = {n: {"enum": list(v)} for n, v in task.strategy.matrix.items()}
            required = list(values)
            scope["matrix"] = Shape.of(
                {
                    "type": "object",
                    "properties": values,
                    "required": required,
                    "additionalProperties": False,
                }
            )
        if task.foreach is not None:
            scope["item"] = self._item(task.foreach)
        if task.fans_out:
            scope["index"] = INTEGER
        return scope

    def _item(self, foreach: str | tuple[JsonValue, ...]) -> Shape:
        try:
            if not isinstance(foreach, str):
                return Shape.of({"enum": list(foreach)}) if foreach else Shape.of(ANYTHING)
            expression = parse(foreach)
            if isinstance(expression, Path):
                return next(iter(self._shape(expression, {}).at(["*"]).inside(None)))
        except (ExpressionError, NoSuchPath, StopIteration):
            pass
        return Shape.of(ANYTHING)

    def _expression(
        self, written: Written, pointer: str, scope: Mapping[str, Shape]
    ) -> Iterator[Fault]:
        try:
            expression = parse(written.text)
            for path in paths_of(expression):
                shape = self._shape(path, scope)
        except ExpressionError as error:
            yield Fault(pointer, str(error))
            return
        if isinstance(expression, Path):
            wanted = {True: LIST} if pointer.endswith("/foreach") else {False: SCALAR}
            target = wanted.get(written.whole)
            reason = mismatch(shape, target) if target else None
            if reason:
                yield Fault(pointer, f"{expression} {reason}")
        elif pointer.endswith("/foreach"):
            yield Fault(pointer, "a list is expected, or a path to one")

    def _shape(self, path: Path, scope: Mapping[str, Shape]) -> Shape:
        """What a path gives.

        Raises:
            ExpressionError: It leads nowhere.
        """
        root, steps = self._start(path, scope)
        try:
            return root.at(steps)
        except NoSuchPath:
            raise ExpressionError(f"{path} leads nowhere{self._hint(path)}") from None

    def _hint(self, path: Path) -> str:
        task = self._tasks.get(task_of(path) or "")
        if task is not None and task.fans_out:
            return f": {task.id} runs for several items, so write outputs[0] or outputs[*]"
        return ""

    def _start(self, path: Path, scope: Mapping[str, Shape]) -> tuple[Shape, tuple[str | int, ...]]:
        if path.root in scope:
            return scope[path.root], path.steps
        if path.root == "inputs":
            return Shape.of_value(dict(self._spec.inputs)), path.steps
        if path.root != "tasks":
            known = ", ".join(("tasks", "inputs", *scope))
            raise ExpressionError(f"{path.root!r} is not known here; known are: {known}")
        task = self._tasks.get(task_of(path) or "")
        if task is None:
            raise ExpressionError(f"{path}: there is no such task")
        if len(path.steps) < 2 or path.steps[1] != "outputs":
            raise ExpressionError(f"{path}: write tasks.{task.id}.outputs")
        return self._outputs(task), path.steps[2:]

    def _outputs(self, task: Task) -> Shape:
        service = self._services.get(task.uses)
        shape = Shape.of(service.gives if service else ANYTHING)
        return Shape.list_of(shape) if task.fans_out else shape

    def _arguments(self, task: Task, pointer: str, scope: Mapping[str, Shape]) -> Iterator[Fault]:
        service = self._services[task.uses]
        shapes = {w.pointer: self._given(w, scope) for w in written_in(task)}
        arguments = dict(task.arguments)
        if any(place.startswith("/with") for place in shapes):
            found = template_faults(arguments, Shape.of(service.takes), shapes, "/with")
        else:
            found = ((f"/with{place}", reason) for place, reason in service.check(arguments))
        yield from (Fault(pointer + place, reason) for place, reason in found)

    def _given(self, written: Written, scope: Mapping[str, Shape]) -> Shape:
        if not written.whole:
            return TEXT
        expression = parse(written.text)
        if isinstance(expression, Comparison):
            return BOOLEAN
        if isinstance(expression, Path):
            return self._shape(expression, scope)
        return Shape.of_value(expression.value)
