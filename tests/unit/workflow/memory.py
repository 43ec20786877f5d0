"""The engine's parts in memory: a journal, checkpoints that crash, and steps to choose from."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from models.core.errors import CapabilityError
from models.core.local_store import LocalArtifactStore
from models.workflow.calls import Payload, Run
from models.workflow.contract import Event, Service, StepContext
from models.workflow.interpreter import interpret
from models.workflow.journal import Entry
from models.workflow.performer import Performer
from models.workflow.spec import Spec
from models.workflow.values import Outputs
from tests.unit.workflow.services import SERVICES


class Crash(BaseException):
    """The process dies here."""


@dataclass
class MemoryJournal:
    """A `Journal` that outlives the process."""

    events: list[Event] = field(default_factory=list)

    async def append(self, entry: Entry) -> bool:
        await asyncio.sleep(0)
        if any(event.name in entry.exclusive for event in self.events):
            return False
        self.events.append(
            Event(
                number=len(self.events),
                at=datetime.now(UTC),
                name=entry.name,
                task=entry.task,
                item=entry.item,
                attempt=entry.attempt,
                data=dict(entry.data or {}),
            )
        )
        return True

    async def of_item(self, run_id: str, task: str, item: int) -> list[Event]:
        return [event for event in self.events if (event.task, event.item) == (task, item)]

    def names(self) -> list[str]:
        return [event.name for event in self.events]


@dataclass
class MemoryMemo:
    kept: dict[str, str] = field(default_factory=dict)

    async def recall(self, key: str) -> str | None:
        return self.kept.get(key)

    async def remember(self, key: str, asset_id: str) -> None:
        self.kept[key] = asset_id


@dataclass
class Fuse:
    """Crashes when it has been touched so many times."""

    left: int

    def touch(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash


@dataclass
class Place:
    number: int
    record: dict[int, tuple[str, JsonValue]]
    fuse: Fuse

    async def run(self, name: str, work: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        if self.number in self.record:
            known, value = self.record[self.number]
            assert known == name, "a replay must find each step under its number"
            return value
        value = await work()
        self.fuse.touch()
        self.record[self.number] = (name, value)
        return value


Work = Callable[[Mapping[str, JsonValue], StepContext], Awaitable[JsonValue]]


@dataclass
class MemorySteps:
    """Steps that echo their arguments, or do as told for a task."""

    work: dict[str, Work] = field(default_factory=dict)
    fuse: Fuse = field(default_factory=lambda: Fuse(0))
    calls: list[str] = field(default_factory=list)
    known: dict[str, Service] = field(default_factory=lambda: dict(SERVICES))

    def services(self) -> Mapping[str, Service]:
        return self.known

    async def perform(
        self, uses: str, arguments: Mapping[str, JsonValue], context: StepContext
    ) -> JsonValue:
        self.calls.append(context.key)
        self.fuse.touch()
        await asyncio.sleep(0)
        if context.task_id in self.work:
            return await self.work[context.task_id](arguments, context)
        return {"echo": dict(arguments)}

    async def fingerprint(self, uses: str, arguments: Mapping[str, JsonValue]) -> str | None:
        return "model-1" if self.known[uses].repeatable(arguments) else None


@dataclass
class Machine:
    """All that survives a crash, and what is needed to go on."""

    folder: Path
    steps: MemorySteps = field(default_factory=MemorySteps)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    memo: MemoryMemo = field(default_factory=MemoryMemo)
    record: dict[int, tuple[str, JsonValue]] = field(default_factory=dict)

    def fresh(self) -> "Machine":
        return replace(self, journal=MemoryJournal(), record={})

    async def run(
        self, spec: dict[str, Any], crash_at: int = 0, reuse: dict[str, JsonValue] | None = None
    ) -> dict[str, JsonValue]:
        store = LocalArtifactStore(self.folder, min_free_bytes=0)
        now = datetime.now(UTC).timestamp()
        payload = Payload(owner="o", spec=spec, accepted_at=now, reuse=reuse or {})
        run = Run("r", payload, Spec.model_validate(spec))
        fuse = self.steps.fuse = Fuse(crash_at)
        performer = Performer(
            self.steps, self.journal, Outputs(store), self.memo, keep_preview=keep_preview
        )
        numbers = iter(range(1_000_000))
        return await interpret(run, performer, lambda: Place(next(numbers), self.record, fuse))


async def keep_preview(run_id: str, owner: str, content: bytes, media_type: str) -> str:
    """Where the engine would keep it."""
    return f"/assets/{hashlib.sha256(content).hexdigest()}"


def failing(*errors: CapabilityError | Exception) -> Work:
    """Work that ends with each of the errors, then well."""
    left = list(errors)

    async def work(arguments: Mapping[str, JsonValue], context: StepContext) -> JsonValue:
        if left:
            raise left.pop(0)
        return {"attempt": context.attempt}

    return work
