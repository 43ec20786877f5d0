"""The gateway over the real video capability in this process."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from deployments.replica import ReplicaReport
from deployments.signs import Sign
from graphs.calls import Calls, DeploymentState, ScalingState
from graphs.catalogue import CATALOGUE
from graphs.entry import Entry
from graphs.gateway import build_api
from graphs.principals import Doorkeeper, add_key
from graphs.steps import CapabilitySteps
from models.core.capability import Run, Setup
from models.core.errors import CapabilityError
from models.core.local_store import LocalArtifactStore
from models.video.model import VideoModel
from models.workflow.engine import DurableEngine
from models.workflow.options import EngineOptions
from tests.api.conftest import IDLE

VIDEO = tuple(entry for entry in CATALOGUE if entry.served_by == "video")


class OneModel:
    """A `Backend` with the capability in this process."""

    def __init__(self, model: VideoModel) -> None:
        self._model = model
        self._one = threading.Lock()  # as the replica's one thread

    async def run(self, entry: Entry, request: BaseModel, owner: str, request_id: str) -> object:
        return await asyncio.to_thread(self._answer, request, Run(owner, request_id))

    async def content(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> object:
        outcome = await self.run(entry, request, owner, request_id)
        return outcome.model_dump_json().encode() if isinstance(outcome, BaseModel) else outcome

    async def follow(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> AsyncGenerator[object, None]:
        signs: list[Sign] = []
        run = Run(owner, request_id, preview=lambda c, t: signs.append(Sign(0.5, "", c, t)))
        outcome = await asyncio.to_thread(self._answer, request, run)
        for sign in signs:
            yield sign
        yield outcome

    def _answer(self, request: Any, run: Run) -> object:
        with self._one:
            try:
                return self._model.run(request, run)
            except CapabilityError as error:
                return error

    async def report(self, name: str) -> ReplicaReport:
        return ReplicaReport(self._model.cards(), 0, 1.0, 0.0, "cpu")

    async def deployments(self) -> Mapping[str, DeploymentState]:
        return {}

    async def scaling(self) -> ScalingState:
        return IDLE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[VideoModel, LocalArtifactStore]:
    folder = tmp_path_factory.mktemp("video")
    store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
    cache = folder / "cache"
    cache.mkdir()
    return VideoModel(Setup(store=store, device="cpu", cache_dir=cache, data_dir=folder)), store


@pytest.fixture
async def app(
    model: tuple[VideoModel, LocalArtifactStore], tmp_path: Path
) -> AsyncIterator[httpx.ASGITransport]:
    video, store = model
    calls = Calls(OneModel(video))
    options = EngineOptions(tmp_path / "runs.db", min_free_bytes=0)
    engine = DurableEngine(options, CapabilitySteps(VIDEO, calls), store, lambda: None)
    await engine.start()
    keys = tmp_path / "keys.json"
    for owner in ("acme", "eve"):
        key = add_key(keys, owner, owner, frozenset({"*"}))
        (tmp_path / owner).write_text(key)
    api = build_api(
        VIDEO, calls, store, Doorkeeper(keys, ()), version="0", max_body_bytes=2**16, engine=engine
    )
    yield httpx.ASGITransport(api, client=("127.0.0.1", 1))
    await engine.close()


def headers_of(tmp_path: Path, owner: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {(tmp_path / owner).read_text()}"}


@pytest.fixture
async def http(app: httpx.ASGITransport, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    headers = headers_of(tmp_path, "acme")
    async with httpx.AsyncClient(transport=app, base_url="http://x", headers=headers) as client:
        yield client
