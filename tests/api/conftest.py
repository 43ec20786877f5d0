"""The gateway's routes over ASGI: no Ray, no sockets."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from deployments.replica import ReplicaReport
from deployments.signs import Signs
from graphs.calls import Calls, DeploymentState, ScalingState
from graphs.entry import Entry
from graphs.gateway import build_api
from graphs.principals import Doorkeeper
from models.core.capability import Run, Setup
from models.core.errors import CapabilityError
from models.core.local_store import LocalArtifactStore
from models.scaling.record import NodeLoad, ScalingHistory
from models.workflow.contract import Engine
from tests.probe import PROBE, Probe

Failures = list[Exception]
IDLE = ScalingState(
    None, ScalingHistory(decisions=()), NodeLoad(name="ab", cpu=0.5, memory=0.25, disk=0.75), 2, 1.5
)


@dataclass
class InProcess:
    """A `Backend` that runs the probe in this process, after the failures it was told of."""

    probe: Probe
    failures: Failures = field(default_factory=list)
    states: dict[str, DeploymentState] = field(default_factory=dict)
    runs: int = 0
    scaled: ScalingState = IDLE

    async def run(self, entry: Entry, request: BaseModel, owner: str, request_id: str) -> object:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        try:
            return self.probe.run(entry.request.model_validate(request), Run(owner, request_id))
        except CapabilityError as error:
            return error

    async def content(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> object:
        outcome = await self.run(entry, request, owner, request_id)
        return outcome.model_dump_json().encode() if isinstance(outcome, BaseModel) else outcome

    async def follow(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> AsyncGenerator[object, None]:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        left, signs = threading.Event(), Signs()
        run = Run(owner, request_id, left.is_set, signs.progress, signs.preview)
        given = entry.request.model_validate(request)
        work = asyncio.ensure_future(asyncio.to_thread(self._answer, given, run))
        try:
            async for sign in signs.until(work):
                yield sign
            yield await work
        finally:
            left.set()

    def _answer(self, request: Any, run: Run) -> object:
        try:
            return self.probe.run(request, run)
        except CapabilityError as error:
            return error

    async def report(self, name: str) -> ReplicaReport:
        if self.failures:
            raise self.failures.pop(0)
        return ReplicaReport(self.probe.cards(), 1, 12.5, 0.0, "cpu")

    async def deployments(self) -> Mapping[str, DeploymentState]:
        return self.states

    async def scaling(self) -> ScalingState:
        return self.scaled


@dataclass
class Api:
    """The application under test, its store and its backend."""

    store: LocalArtifactStore
    backend: InProcess
    max_body_bytes: int = 4096
    max_upload_bytes: int = 2**20
    engine: Engine | None = None
    catalogue: tuple[Entry, ...] = (PROBE,)

    def client(
        self, keys_file: Path | None = None, peer: str = "127.0.0.1", host: str = "localhost"
    ) -> httpx.AsyncClient:
        app = build_api(
            self.catalogue,
            Calls(self.backend),
            self.store,
            Doorkeeper(keys_file, ("localhost", "127.0.0.1", "[::1]")),
            version="0",
            max_body_bytes=self.max_body_bytes,
            max_upload_bytes=self.max_upload_bytes,
            engine=self.engine,
        )
        transport = httpx.ASGITransport(app, client=(peer, 40000))
        return httpx.AsyncClient(transport=transport, base_url=f"http://{host}:8000")


@pytest.fixture
def api(tmp_path: Path) -> Api:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    probe = Probe(Setup(store=store, device="cpu", cache_dir=tmp_path, data_dir=tmp_path))
    ready = {"probe": DeploymentState("HEALTHY", "", 1, 1)}
    return Api(store, InProcess(probe, states=ready))


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


Factory = Callable[..., httpx.AsyncClient]
