"""What a run writes down: an append-only log that refuses executors which lost their lease."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from models.workflow.contract import Event
from models.workflow.spec import Webhook


class StaleEpoch(RuntimeError):
    """This executor lost its lease: another one may be doing the same work."""


@dataclass(frozen=True)
class Entry:
    """An event before it has a number.

    Attributes:
        run_id: Of the run.
        name: What happened.
        task: To which task, if to one.
        item: Which of its calls.
        attempt: In which attempt.
        data: More about it.
        owner: Whose run it is.
        webhook: Told of the event if it wants to hear of it.
        exclusive: Names of which a run may have one alone; a second one is not written.
    """

    run_id: str
    name: str
    task: str | None = None
    item: int | None = None
    attempt: int | None = None
    data: Mapping[str, JsonValue] | None = None
    owner: str = ""
    webhook: Webhook | None = None
    exclusive: tuple[str, ...] = ()


class Journal(Protocol):
    """Keeps the events of all runs durably."""

    async def append(self, entry: Entry) -> bool:
        """Write an event; false where an exclusive one is there already.

        Raises:
            StaleEpoch: The lease is lost; nothing was written.
        """
        ...

    async def of_item(self, run_id: str, task: str, item: int) -> list[Event]:
        """Events of one call, in order."""
        ...
