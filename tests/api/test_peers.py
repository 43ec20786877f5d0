"""Replicas that ask each other: what comes back, what is lost, what is handed back; without Ray."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from ray import serve
from ray.exceptions import ActorDiedError
from ray.serve._private.config import DeploymentConfig
from ray.serve.config import AutoscalingConfig
from ray.serve.exceptions import BackPressureError

from deployments import replica as replicas
from deployments.outstanding import Outstanding
from deployments.peers import ServePeers, peers_in
from deployments.replica import Replica, ReplicaSpec
from deployments.signs import Sign
from models.core.capability import ModelCard, Run, Setup, Value
from models.core.errors import (
    Cancelled,
    CapabilityError,
    CapacityExceeded,
    StorageFull,
    UpstreamUnavailable,
)


class Part(Value):
    """A part of some work."""

    number: int = 0


@dataclass
class Handle:
    """A handle to the deployment, whose replica says what it is told to."""

    say: list[object]
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def follow(self) -> "Handle":
        return self

    def options(self, **_options: object) -> "Handle":
        return self

    def remote(self, _request: BaseModel, _owner: str, _request_id: str) -> "Handle":
        return self

    async def __aiter__(self) -> AsyncIterator[object]:
        for one in self.say:
            if isinstance(one, Exception) and not isinstance(one, CapabilityError):
                raise one
            if one is None:
                await self.left.wait()
            yield one

    def cancel(self) -> None:
        self.cancelled.set()


def asking(monkeypatch: pytest.MonkeyPatch, *say: object) -> tuple[ServePeers, Handle]:
    handle = Handle(list(say))
    monkeypatch.setattr(serve, "get_deployment_handle", lambda _name: handle)
    return ServePeers("video", Outstanding("orrery", no_ledger)), handle


def no_ledger(app_name: str) -> Any:
    raise ValueError(app_name)


async def test_a_peer_tells_its_progress_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    peers, _ = asking(monkeypatch, Sign(0.5, "range"), Part(number=7))
    told: list[float] = []
    waiting: list[object] = []

    def progress(share: float, _stage: str) -> None:
        told.append(share)
        waiting.append([kind for _, kind in peers.outstanding.pending()["video"]])

    run = Run("acme", progress=progress)

    assert await asyncio.to_thread(peers.ask, Part(), run) == Part(number=7)
    assert told == [0.5]
    assert waiting == [["Part"]]  # the scaling policy knows of it
    assert peers.outstanding.pending() == {"video": ()}
    assert peers.asked == 0


@pytest.mark.parametrize(
    ("end", "raised"),
    [
        (ActorDiedError(), UpstreamUnavailable),
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), CapacityExceeded),
        (StorageFull("full"), StorageFull),
        (Sign(), UpstreamUnavailable),
    ],
)
async def test_how_a_peer_ends_is_told(
    monkeypatch: pytest.MonkeyPatch, end: object, raised: type[CapabilityError]
) -> None:
    peers, _ = asking(monkeypatch, end)
    with pytest.raises(raised):
        await asyncio.to_thread(peers.ask, Part(), Run())

    assert peers.asked == 0


async def test_a_peer_stops_when_it_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    peers, handle = asking(monkeypatch, Sign(0.1, "range"), None)
    begun = threading.Event()
    run = Run(cancelled=begun.is_set, progress=lambda _share, _stage: begun.set())
    with pytest.raises(Cancelled):
        await asyncio.to_thread(peers.ask, Part(), run)

    await handle.cancelled.wait()


def test_there_are_as_many_peers_as_the_configuration_allows() -> None:
    def most(**config: Any) -> int:
        context: Any = SimpleNamespace(_deployment_config=DeploymentConfig(**config))
        return peers_in(context)

    scaled = AutoscalingConfig(min_replicas=1, max_replicas=4)
    assert most(num_replicas=1) == 0
    assert most(num_replicas=3) == 2
    assert most(autoscaling_config=scaled) == 3


def test_the_present_replicas_count_where_serve_does_not_tell_how_many_there_may_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain: Any = SimpleNamespace(world_size=3)
    renamed: Any = SimpleNamespace(world_size=1, _deployment_config=SimpleNamespace())

    assert [peers_in(plain), peers_in(plain), peers_in(renamed)] == [2, 2, 0]
    assert caplog.text.count("the most replicas are unknown") == 2  # once for each reason


class Leader:
    """A capability that works until it is told to stop."""

    free = threading.Event()
    begun = threading.Event()

    def __init__(self, _setup: Setup) -> None:
        pass

    def run(self, request: Part, run: Run) -> Part:
        self.begun.set()
        while not (self.free.is_set() or run.cancelled()):
            threading.Event().wait(0.01)
        return request

    def cards(self) -> tuple[ModelCard, ...]:
        return ()


@pytest.fixture
def leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Replica]:
    config = DeploymentConfig(num_replicas=2)
    context = SimpleNamespace(_deployment_config=config, app_name="orrery")
    monkeypatch.setattr(serve, "get_replica_context", lambda: context)
    monkeypatch.setattr(serve, "get_deployment_handle", lambda _name: Handle([]))
    monkeypatch.setattr(replicas, "bind_to_node_address", lambda: None)
    monkeypatch.setattr(replicas, "join_serve_log", lambda: None)
    monkeypatch.setattr(replicas, "fixed_context", dict)
    monkeypatch.setattr(replicas, "HANDED_BACK_S", 0.02)
    for name in ("free", "begun"):
        monkeypatch.setattr(Leader, name, threading.Event())
    model = f"{__name__}:Leader"
    spec = ReplicaSpec("led", model, str(tmp_path), 0, tmp_path / "c", tmp_path / "d", 0, {})
    return lambda: Replica(spec)


async def test_a_replica_that_leads_hands_back_what_it_has_not_begun(
    leader: Callable[[], Replica],
) -> None:
    replica = leader()
    first = asyncio.ensure_future(replica.run(Part(number=1), "acme", "1"))
    await asyncio.to_thread(Leader.begun.wait)
    patient = asyncio.ensure_future(replica.run(Part(number=2), "acme", "2"))
    await asyncio.sleep(0.1)
    waited = not patient.done()
    assert replica._others is not None
    replica._others.asked = 1
    handed_back = await replica.run(Part(number=3), "acme", "3")
    Leader.free.set()

    assert waited
    assert isinstance(handed_back, CapacityExceeded)
    assert isinstance(await patient, CapacityExceeded)
    assert await first == Part(number=1)
