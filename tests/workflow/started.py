"""An engine in this process, on each kind of database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.core.local_store import LocalArtifactStore
from models.workflow.contract import Event, Request, RunStatus
from models.workflow.engine import DurableEngine
from models.workflow.options import EngineOptions
from models.workflow.spec import Spec
from tests.unit.workflow.memory import MemorySteps

OWNER = "acme"


@dataclass
class Started:
    """An engine and the steps that it performs."""

    engine: DurableEngine
    steps: MemorySteps
    lost: list[str]

    async def submit(self, run_id: str, spec: dict[str, Any], owner: str = OWNER) -> bool:
        request = Request(run_id, owner, Spec.model_validate(spec))
        return (await self.engine.submit(request)).created

    async def ended(self, run_id: str, owner: str = OWNER) -> RunStatus:
        async for _ in self.engine.events(run_id, owner):
            pass
        return await self.status(run_id, owner)

    async def status(self, run_id: str, owner: str = OWNER) -> RunStatus:
        status = await self.engine.status(run_id, owner)
        assert status is not None
        return status

    async def events(self, run_id: str, after: int = -1) -> list[Event]:
        return [event async for event in self.engine.events(run_id, OWNER, after)]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "runs.db")
    found: str = request.getfixturevalue("postgres")
    return found


@pytest.fixture
async def engine(url: str, tmp_path: Path) -> AsyncIterator[Started]:
    steps, lost = MemorySteps(), list[str]()
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    options = EngineOptions(url, min_free_bytes=0, max_active_runs=50)
    built = DurableEngine(options, steps, store, lambda: lost.append("lost"))
    await built.start()
    yield Started(built, steps, lost)
    await built.close()
