"""The replica that runs workflows: an engine in a process, restarted when its lease is lost."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from deployments.node_address import bind_to_node_address
from models.core.errors import CapabilityError
from models.core.outbound import MIB, Limits, OutboundClient
from models.core.stores import open_store
from models.workflow.contract import (
    Event,
    Page,
    Query,
    Request,
    RunStatus,
    Steps,
    Submitted,
    Usage,
)
from models.workflow.engine import DurableEngine
from models.workflow.options import EngineOptions
from models.workflow.webhooks import Post

logger = logging.getLogger(__name__)

T = TypeVar("T")
LOST_LEASE: Final = 70


@dataclass(frozen=True)
class OrchestratorSpec:
    """What the replica is built from; travels to its process.

    Attributes:
        engine: Where runs are kept and how they are run.
        store: Folder or URL of the artifact store.
        min_free_bytes: Watermark of the artifact store.
    """

    engine: EngineOptions
    store: str
    min_free_bytes: int


def _end_process() -> None:
    # Another replica owns the runs now; Serve starts this one again with a new lease.
    logger.error("lease lost, process ends")
    os._exit(LOST_LEASE)


def _sender() -> Post:
    """Posts webhooks to public addresses; whether to try again is the engine's to decide."""
    client = OutboundClient(Limits(body_bytes=MIB))

    def post(url: str, headers: Mapping[str, str], body: bytes) -> None:
        client.request("POST", url, headers=headers, content=body, retry=False, from_caller=True)

    return post


class Orchestrator:
    """Serves one engine; expected errors are values, since Serve logs raised ones.

    The engine needs the event loop of the requests, so the first health check starts it; Serve
    calls a replica healthy only after that.

    Args:
        spec: What it is built from.
        build_steps: Makes the steps from the handles, in this process.
        handles: Of the capabilities, by name.
    """

    def __init__(
        self,
        spec: OrchestratorSpec,
        build_steps: Callable[[Mapping[str, Any]], Steps],
        handles: Mapping[str, Any],
    ) -> None:
        bind_to_node_address()
        self._spec = spec
        self._steps = build_steps(handles)
        self._engine: DurableEngine | None = None
        self._starting = asyncio.Lock()

    async def check_health(self) -> None:
        """Start the engine if it has not started."""
        await self._started()

    async def _started(self) -> DurableEngine:
        async with self._starting:
            if self._engine is None:
                store = open_store(self._spec.store, min_free_bytes=self._spec.min_free_bytes)
                engine = await asyncio.to_thread(
                    DurableEngine, self._spec.engine, self._steps, store, _end_process, _sender()
                )
                await engine.start()
                self._engine = engine
        return self._engine

    async def submit(self, request: Request) -> Submitted | CapabilityError:
        """Accept a run durably."""
        return await _as_value((await self._started()).submit(request))

    async def status(self, run_id: str, owner: str) -> RunStatus | CapabilityError | None:
        """State of a run, `None` where the owner has none of this name."""
        return await _as_value((await self._started()).status(run_id, owner))

    async def find(self, query: Query) -> Page | CapabilityError:
        """Runs of an owner."""
        return await _as_value((await self._started()).find(query))

    async def usage(self, owner: str) -> Usage | CapabilityError:
        """What an owner has under way."""
        return await _as_value((await self._started()).usage(owner))

    async def cancel(self, run_id: str, owner: str) -> bool | CapabilityError:
        """Stop a run; false where it is unknown."""
        return await _as_value((await self._started()).cancel(run_id, owner))

    async def retry(
        self, run_id: str, owner: str, from_task: str | None = None
    ) -> str | CapabilityError | None:
        """A new run that reuses what was finished; `None` where the run is unknown."""
        return await _as_value((await self._started()).retry(run_id, owner, from_task))

    async def webhook_secret(self, owner: str) -> str | CapabilityError:
        """The key that an owner's webhooks are signed with."""
        return await _as_value((await self._started()).webhook_secret(owner))

    async def events(self, run_id: str, owner: str, after: int = -1) -> AsyncIterator[Event]:
        """What happened after an event, and then what happens, to the end of the run."""
        async for event in (await self._started()).events(run_id, owner, after):
            yield event

    async def __del__(self) -> None:
        """Give the lease up when Serve stops the replica."""
        if self._engine is not None:
            await self._engine.close()


async def _as_value(answer: Awaitable[T]) -> T | CapabilityError:
    try:
        return await answer
    except CapabilityError as error:
        return error
