"""A run and its calls as the performer sees them, and how a call can end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pydantic import JsonValue

from models.core.capability import Value
from models.core.errors import CapabilityError, UpstreamUnavailable
from models.workflow.contract import Event, Failure
from models.workflow.journal import Entry
from models.workflow.spec import Spec, Task

ENDED: Final[Mapping[str, Literal["completed", "failed", "skipped"]]] = {
    "task.completed": "completed",
    "task.failed": "failed",
    "task.skipped": "skipped",
}

Scope: TypeAlias = Mapping[str, JsonValue]


class Payload(Value):
    """What the store keeps of an accepted run."""

    owner: str
    spec: dict[str, Any]
    accepted_at: float
    trace_id: str = "-"
    retry_of: str | None = None
    reuse: dict[str, JsonValue] = {}


class Outcome(Value):
    """How a call ended, as the store keeps it."""

    state: Literal["completed", "failed", "skipped"]
    output: JsonValue = None
    failure: Failure | None = None


class Expansion(Value):
    """The items of a task that fans out, or how it ended before it had any."""

    items: tuple[dict[str, JsonValue], ...] = ()
    ended: Outcome | None = None


@dataclass(frozen=True)
class Run:
    """A run as its steps see it.

    Attributes:
        run_id: Of the run.
        payload: As it was accepted.
        spec: Of the payload.
        outputs: Of finished tasks, large ones as references; grows while the run goes on.
        resumed: Whether an earlier process may have left events of its calls.
    """

    run_id: str
    payload: Payload
    spec: Spec
    outputs: dict[str, JsonValue] = field(default_factory=dict)
    resumed: bool = True

    @property
    def deadline(self) -> float | None:
        """POSIX time at which the run must be over."""
        if self.spec.deadline_s is None:
            return None
        return self.payload.accepted_at + self.spec.deadline_s

    def entry(
        self,
        name: str,
        task: str | None = None,
        item: int | None = None,
        attempt: int | None = None,
        data: Mapping[str, JsonValue] | None = None,
        exclusive: tuple[str, ...] = (),
    ) -> Entry:
        """Something that happened in this run."""
        owner, webhook = self.payload.owner, self.spec.webhook
        return Entry(self.run_id, name, task, item, attempt, data, owner, webhook, exclusive)

    def is_over_in(self, wait_s: float) -> bool:
        """Whether the deadline will have passed."""
        return self.deadline is not None and time.time() + wait_s >= self.deadline


@dataclass(frozen=True)
class Call:
    """One call of a task: its place in the run, and the names that only it has."""

    run: Run
    task: Task
    item: int
    names: Scope = field(default_factory=dict)

    @property
    def limit_s(self) -> float | None:
        """Seconds that an attempt may take from now.

        Raises:
            Overdue: The deadline of the run has passed.
        """
        deadline = self.run.deadline
        left_s = None if deadline is None else deadline - time.time()
        if left_s is not None and left_s <= 0:
            raise Overdue("the deadline of the workflow passed")
        limits = [limit for limit in (left_s, self.task.timeout_s) if limit is not None]
        return min(limits, default=None)

    @property
    def key(self) -> str:
        """The same for every attempt, also by other executors."""
        return f"{self.run.run_id}:{self.task.id}:{self.item}"


class Overdue(CapabilityError):
    """A time limit passed."""

    code, status, title = "overdue", 504, "The time limit passed"


class Interrupted(UpstreamUnavailable):
    """The process that did the work died, which says nothing about the work."""


class Poisoned(CapabilityError):
    """Every process that tried it died."""

    code, status, title = "poisoned", 500, "The task ends the processes that run it"


def failure_of(error: Exception) -> Failure:
    """An error as a problem; a bug tells nothing but that it is one."""
    if not isinstance(error, CapabilityError):
        return Failure(
            code="internal-error",
            status=500,
            title="Something went wrong on our side",
            detail=f"{type(error).__name__}; see the logs",
        )
    return Failure(
        code=error.code,
        status=error.status,
        title=error.title,
        detail=error.detail,
        retry_after_s=error.retry_after_s,
    )


@dataclass
class History:
    """What earlier attempts at a call left behind."""

    started: int = 0
    waited: int = 0
    retried: int = 0
    ending: Event | None = None

    @classmethod
    def of(cls, events: list[Event]) -> "History":
        """Sum up the events of a call."""
        found = cls()
        for event in events:
            found.started += event.name == "task.started"
            found.waited += event.name == "task.waiting"
            found.retried += event.name == "task.retrying"
            if event.name in ENDED:
                found.ending = event
        return found

    @property
    def interruptions(self) -> int:
        """Attempts that ended with their process."""
        return self.started - self.waited - self.retried


def outcome_of(event: Event) -> Outcome:
    """How a call ended, from the event that says so."""
    failure = event.data.get("failure")
    return Outcome(
        state=ENDED[event.name],
        output=event.data.get("output"),
        failure=Failure.model_validate(failure) if failure else None,
    )
