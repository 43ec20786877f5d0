"""Loads ahead of demand: replicas report to the ledger and follow its advice; without Ray."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from deployments import keeping as keepings
from deployments.homes import address, leave
from deployments.keeping import FAILED_S, NO_ROOM_S, WARNED, Keeping
from deployments.ledger import Ledger
from models.core.capability import Keeper, Value
from models.core.errors import CapacityExceeded, ModelUnavailable
from tests.api.test_scaling import decision


class Wish(Value):
    """Names a model."""

    model: str


class Shelf:
    """Keeps models by name, and tells when it was to load one."""

    def __init__(self, places: int = 1) -> None:
        self.places, self.load_s = places, 0.0
        self.held: list[str] = []
        self.may_go: tuple[str, ...] = ()
        self.error: Exception | None = None
        self.tried: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def asks(self, request: BaseModel) -> str:
        assert isinstance(request, Wish)
        return request.model

    def kept(self) -> tuple[str, ...]:
        return tuple(self.held)

    def spare(self, names: tuple[str, ...]) -> None:
        self.may_go = names

    def keep(self, name: str) -> None:
        self.tried.append(name)
        self.go_on.wait()
        if self.error is not None:
            raise self.error
        if len(self.held) == self.places:
            self.held.remove(self.may_go[0])
        self.held.append(name)


class Actor:
    """The ledger in this process, behind the face of an actor."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.reports = 0
        self.advise = self

    async def remote(self, *arguments: Any) -> Any:
        self.reports += 1
        return self._ledger.advise(*arguments)


class Service:
    """Replicas around one ledger and one clock, both of which a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ledger = Ledger(lambda: self.now_s)
        self.actor = Actor(self.ledger)
        self.homes: dict[int, set[str]] = {}

    def find(self, _app_name: str) -> Actor:
        return self.actor

    def replica(self, shelf: Shelf, find: Callable[[str], Any] | None = None) -> Keeping:
        homes = self.homes[id(shelf)] = set[str]()

        async def hold(home: str) -> None:
            homes.add(home)

        return Keeping(
            "image", shelf, lambda: 0.0, hold, homes.discard,
            find=find or self.find, clock=lambda: self.now_s,
        )  # fmt: skip

    async def rounds(self, count: int = 3) -> None:
        """Wait until so many reports have come."""
        end = self.actor.reports + count
        while self.actor.reports < end:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(keepings, "REPORT_S", 0.002)
    return Service()


@asynccontextmanager
async def reporting(*replicas: Keeping) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(one.report_on("orrery")) for one in replicas]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_the_shelf_is_a_keeper_and_most_capabilities_are_none() -> None:
    assert isinstance(Shelf(), Keeper)
    assert not isinstance(SimpleNamespace(run=None, cards=None), Keeper)


async def test_what_one_replica_is_asked_for_the_other_loads_and_is_at_home(
    service: Service,
) -> None:
    one, other = Shelf(), Shelf()
    asked, idle = service.replica(one), service.replica(other)
    asked.note(Wish(model="xl"), address("xl red"))
    one.held = ["xl"]
    async with reporting(asked, idle):
        await until(lambda: other.held == ["xl"] and address("xl") in service.homes[id(other)])
    service.ledger.note(decision(1, 0), False)
    told = service.ledger.latest()

    assert (one.tried, other.tried) == ([], ["xl"])
    assert told is not None
    assert (told.kept["image"][0].name, told.kept["image"][0].wanted) == ("xl", 2)
    assert service.ledger.history().decisions == ()


async def test_reports_go_on_during_a_load_and_nothing_else_is_begun(service: Service) -> None:
    shelf = Shelf(places=2)
    replica = service.replica(shelf)
    shelf.go_on.clear()
    for model in ("xl", "xl", "one"):
        replica.note(Wish(model=model), "")
    async with reporting(replica):
        await until(lambda: shelf.tried == ["xl"])
        await service.rounds(5)
        begun = list(shelf.tried)
        shelf.go_on.set()
        await until(lambda: sorted(shelf.held) == ["one", "xl"])

    assert begun == ["xl"]


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (ModelUnavailable("broken"), FAILED_S),
        (RuntimeError("a bug"), FAILED_S),
        (CapacityExceeded("no room"), NO_ROOM_S),
    ],
)
async def test_a_load_that_failed_is_not_tried_again_for_a_while(
    service: Service, error: Exception, pause_s: float
) -> None:
    shelf = Shelf()
    shelf.error = error
    replica = service.replica(shelf)
    replica.note(Wish(model="xl"), "")
    async with reporting(replica):
        await until(lambda: shelf.tried == ["xl"])
        service.now_s = pause_s - 1
        await service.rounds()
        before = len(shelf.tried)
        service.now_s = pause_s + 1
        await until(lambda: len(shelf.tried) == 2)

    assert before == 1


async def test_what_left_memory_is_no_home_any_more(service: Service) -> None:
    shelf = Shelf()
    replica, homes = service.replica(shelf), service.homes[id(shelf)]
    homes.add(address("xl red"))  # as the replica told when the request came
    replica.note(Wish(model="xl"), address("xl red"))
    shelf.held = ["xl"]
    await replica.settle()
    both = set(homes)
    shelf.held = ["one"]
    await replica.settle()

    assert both == {address("xl"), address("xl red")}
    assert homes == {address("one")}


async def test_without_a_ledger_nothing_is_loaded_which_is_said_once_and_counts_are_kept(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    shelf, asked, there = Shelf(), [0], threading.Event()

    def find(app_name: str) -> Actor:
        asked[0] += 1
        if not there.is_set():
            raise ValueError(app_name)
        return service.actor

    replica = service.replica(shelf, find)
    replica.note(Wish(model="xl"), "")
    with caplog.at_level(logging.WARNING):
        async with reporting(replica):
            await until(lambda: asked[0] > 2 * WARNED)
            loaded = list(shelf.tried)
            there.set()
            await until(lambda: shelf.held == ["xl"])

    assert loaded == []
    assert caplog.text.count("no ledger: nothing is loaded ahead") == 1


def test_serve_is_told_what_left_memory_where_it_can_be() -> None:
    known = SimpleNamespace(models={"a": "a", "b": "b"}, _push_multiplexed_replica_info=False)
    replica = SimpleNamespace(__serve_multiplex_wrapper=known)
    leave(replica, "c")
    untouched = known._push_multiplexed_replica_info
    leave(replica, "a")
    leave(SimpleNamespace(), "a")
    leave(SimpleNamespace(__serve_multiplex_wrapper=None), "a")

    assert not untouched
    assert (known.models, known._push_multiplexed_replica_info) == ({"b": "b"}, True)
