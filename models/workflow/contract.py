"""What the engine promises its callers, and what it asks of whoever performs the steps."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from pydantic import Field, JsonValue

from models.core.capability import Value
from models.workflow.spec import Spec

Json: TypeAlias = JsonValue
State: TypeAlias = Literal["pending", "running", "completed", "failed", "cancelled"]
TaskState: TypeAlias = Literal["pending", "running", "completed", "failed", "skipped", "cancelled"]

FINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Service:
    """A capability as a graph may use it.

    Attributes:
        uses: Its name in a graph.
        takes: JSON Schema of the arguments.
        gives: JSON Schema of the outputs.
        check: Pointer and reason of everything wrong with complete arguments.
        title: One line for people.
        repeatable: Whether these arguments always give this result, and so may be remembered.
        typical_s: Seconds that a call usually takes.
    """

    uses: str
    takes: Mapping[str, Any]
    gives: Mapping[str, Any]
    check: Callable[[Mapping[str, Json]], list[tuple[str, str]]] = lambda _arguments: []
    title: str = ""
    repeatable: Callable[[Mapping[str, Json]], bool] = lambda _arguments: False
    typical_s: Callable[[], float] = lambda: 1.0


async def unfenced() -> None:
    """The fence of a process that nobody takes over."""


@dataclass(frozen=True)
class StepContext:
    """What a step may know of its run.

    Attributes:
        owner: Whose run it is.
        run_id: Of the run.
        task_id: Of the task.
        item: Position within a fanned-out task, else 0.
        attempt: From 1.
        key: The same for every attempt: an effect under a key already used must not happen again.
        epoch: Rises with every executor; a later executor of this step has a greater one.
        fence: To be awaited before an effect; raises once this executor has lost its lease.
        progress: Takes a fraction 0-1 and the name of the stage.
        preview: Takes what the result looks like so far, and its media type.
    """

    owner: str
    run_id: str
    task_id: str
    item: int
    attempt: int
    key: str
    epoch: int
    fence: Callable[[], Awaitable[None]] = field(default=unfenced, repr=False)
    progress: Callable[[float, str], None] = field(default=lambda _f, _s: None, repr=False)
    preview: Callable[[bytes, str], None] = field(default=lambda _c, _t: None, repr=False)


class Steps(Protocol):
    """Performs the steps of a graph."""

    def services(self) -> Mapping[str, Service]:
        """All that a graph can use, by name."""
        ...

    async def perform(self, uses: str, arguments: Mapping[str, Json], context: StepContext) -> Json:
        """Outputs of one call; cancelled when the run is.

        Raises:
            Interrupted: Whoever did the work died; it may be done again.
            CapabilityError: As the capability ended.
        """
        ...

    async def fingerprint(self, uses: str, arguments: Mapping[str, Json]) -> str | None:
        """Identity of the model that would answer; `None` where the result may not be kept."""
        ...


class Submitted(Value):
    """A run that is stored durably."""

    run_id: str
    created: bool = Field(description="false: the same key and payload were accepted before")


class Failure(Value):
    """Why a task ended badly, as a problem."""

    code: str
    status: int
    title: str
    detail: str
    retry_after_s: float | None = None


class ItemStatus(Value):
    """One call of a task."""

    state: TaskState = "pending"
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: float = Field(0, ge=0, le=1)
    stage: str = ""
    preview_url: str | None = Field(None, description="what the result looks like so far")
    memoized: bool = False
    failure: Failure | None = None


class TaskStatus(Value):
    """A task: its calls, and where they are many, what they amount to."""

    id: str
    uses: str
    state: TaskState = "pending"
    attempts: int = 0
    progress: float = Field(0, ge=0, le=1)
    stage: str = ""
    preview_url: str | None = Field(None, description="what the result looks like so far")
    started_at: datetime | None = None
    finished_at: datetime | None = None
    memoized: bool = False
    outputs: Json = None
    failure: Failure | None = None
    items: tuple[ItemStatus, ...] = ()


class RunSummary(Value):
    """A run in a list."""

    run_id: str
    name: str
    state: State
    created_at: datetime
    finished_at: datetime | None = None


class RunStatus(RunSummary):
    """All that is known of a run."""

    progress: float = Field(ge=0, le=1)
    eta_s: float | None = Field(None, description="seconds left, estimated")
    trace_id: str
    inputs: dict[str, Json] = {}
    tasks: tuple[TaskStatus, ...]
    outputs: dict[str, Json] = {}
    failure: Failure | None = None
    retry_of: str | None = None
    recoveries: int = Field(0, description="how often another process took the run over")


class Event(Value):
    """Something that happened in a run, numbered from 0 without gaps."""

    number: int
    at: datetime
    name: str = Field(examples=["workflow.accepted", "task.started", "task.completed"])
    task: str | None = None
    item: int | None = None
    attempt: int | None = None
    data: dict[str, Json] = {}


@dataclass(frozen=True)
class Query:
    """Which runs to list, newest first."""

    owner: str
    states: frozenset[State] = frozenset()
    since: datetime | None = None
    limit: int = 50
    cursor: str | None = None


class Page(Value):
    """Some runs, and how to get the next."""

    runs: tuple[RunSummary, ...]
    cursor: str | None = None


class Usage(Value):
    """What an owner has under way, and may have."""

    owner: str
    tasks: int = Field(description="queued or running")
    max_tasks: int | None = Field(description="further ones are refused; null is no limit")
    calls_running: int = Field(description="calls of these tasks that have a place")
    calls_waiting: int = Field(description="those that wait for one")
    max_calls: int | None = Field(
        description="at most so many have a place in one capability; null is no limit"
    )


@dataclass(frozen=True)
class Request:
    """A run to be accepted.

    Attributes:
        run_id: Its name; the same name is never accepted twice.
        owner: Whose it is.
        spec: What to do.
        trace_id: Correlates logs.
        retry_of: The run that this one repeats.
        reuse: Outputs that need not be computed again, by task and item.
    """

    run_id: str
    owner: str
    spec: Spec
    trace_id: str = "-"
    retry_of: str | None = None
    reuse: Mapping[str, Json] = field(default_factory=dict)


class Engine(Protocol):
    """Accepts runs durably and ends every one; what belongs to another owner is unknown."""

    async def submit(self, request: Request) -> Submitted:
        """Accept a run: after the return it survives any crash.

        Raises:
            Conflict: The name belongs to a run with another payload.
            CapacityExceeded: Too many runs are under way, or too many of this owner's.
            StorageFull: The store has too little room.
        """
        ...

    async def status(self, run_id: str, owner: str) -> RunStatus | None:
        """State of a run, `None` where the owner has none of this name."""
        ...

    async def find(self, query: Query) -> Page:
        """Runs of an owner."""
        ...

    async def usage(self, owner: str) -> Usage:
        """What an owner has under way."""
        ...

    async def cancel(self, run_id: str, owner: str) -> bool:
        """Stop a run; false where it is unknown."""
        ...

    async def retry(self, run_id: str, owner: str, from_task: str | None = None) -> str | None:
        """A new run that reuses what was finished; `None` where the run is unknown.

        Raises:
            Conflict: The run is not over.
            InvalidInput: It has no such task.
        """
        ...

    def events(self, run_id: str, owner: str, after: int = -1) -> AsyncIterator[Event]:
        """What happened after an event, and then what happens, to the end of the run."""
        ...

    async def webhook_secret(self, owner: str) -> str:
        """The key that an owner's webhooks are signed with."""
        ...
