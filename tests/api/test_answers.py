"""Answers that hold for a while are repeated by the gateway: to whom, until when, and in which words."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from deployments.replica import ReplicaReport
from graphs.answers import Answers
from graphs.principals import add_key
from graphs.versions import Versions
from models.core.capability import Holding, ModelCard
from models.core.errors import ModelUnavailable
from tests.api.conftest import Api
from tests.probe import PROBE, ProbeRequest, ProbeResult

pytestmark = pytest.mark.anyio

FAR_S = 4e9
ROUTE = PROBE.route


def far(result: ProbeResult) -> Holding:
    return Holding(FAR_S, result.model_copy(update={"pid": 0}))


HELD = replace(PROBE, holds=far)


@pytest.fixture
async def held(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    api.catalogue = (HELD,)
    async with api.client() as client:
        yield client


async def test_an_equal_question_is_answered_without_a_replica(
    api: Api, held: httpx.AsyncClient
) -> None:
    first = await held.post(ROUTE, json={"label": "a"})
    again = await held.post(ROUTE, json={"label": "a", "sleep_s": 0.0})
    other = await held.post(ROUTE, json={"label": "b"})

    assert api.backend.runs == 2
    assert first.json()["pid"] != 0
    assert again.json() == {**first.json(), "pid": 0}
    assert other.json()["request_id"] != first.json()["request_id"]
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert again.headers["cache-control"].startswith("private, max-age=")
    assert "age" not in first.headers
    assert 0 <= int(again.headers["age"]) < 600


async def test_what_does_not_declare_it_is_made_afresh(api: Api) -> None:
    async with api.client() as client:
        answers = [await client.post(ROUTE, json={}) for _ in range(2)]

    assert api.backend.runs == 2
    assert all("cache-control" not in answer.headers for answer in answers)


async def test_a_question_by_get_is_repeated_as_well(api: Api) -> None:
    asked = replace(HELD, method="GET", route="/api/v1/probe/asked/{label}", tables={})
    api.catalogue = (asked,)
    async with api.client() as client:
        for _ in range(3):
            await client.get("/api/v1/probe/asked/mine")

    assert api.backend.runs == 1


@pytest.mark.parametrize("said", ["no-cache", "no-store", "max-age=0", "max-age=soon"])
async def test_a_caller_may_ask_for_a_fresh_answer(
    api: Api, held: httpx.AsyncClient, said: str
) -> None:
    await held.post(ROUTE, json={})
    fresh = await held.post(ROUTE, json={}, headers={"Cache-Control": f"no-transform, {said}"})
    again = await held.post(ROUTE, json={}, headers={"Cache-Control": "max-age=600"})

    assert api.backend.runs == 2
    assert fresh.json()["pid"] != 0
    same = again.json()["request_id"] == fresh.json()["request_id"]
    assert same == (said != "no-store")


async def test_no_tenant_gets_the_answer_of_another(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = [add_key(path, name, name, frozenset({"probe"})) for name in ("anna", "bert")]
    api.catalogue = (HELD,)
    async with api.client(keys_file=path) as client:
        owners = [
            (await client.post(ROUTE, json={}, headers={"X-API-Key": key})).json()["owner"]
            for key in (*keys, *keys)
        ]

    assert owners == ["anna", "bert", "anna", "bert"]
    assert api.backend.runs == 2


async def test_a_watched_run_is_a_run(api: Api, held: httpx.AsyncClient) -> None:
    await held.post(ROUTE, json={})
    events = await held.post(ROUTE, json={}, headers={"Accept": "text/event-stream"})

    assert "event: result" in events.text
    assert api.backend.runs == 2


async def test_a_refusal_is_not_kept(api: Api, held: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await held.post(ROUTE, json={"fail": "model-unavailable"})
        assert answer.status_code == 503

    assert api.backend.runs == 2


@dataclass
class Models:
    """Stands in for the calls: tells which models there are."""

    sha256: str | None = "0" * 64

    async def report(self, name: str) -> ReplicaReport:
        if self.sha256 is None:
            raise ModelUnavailable("gone")
        card = ModelCard(name=name, version="1", weights_sha256=self.sha256)
        return ReplicaReport((card,), 0, 1.0, 0.0, "cpu")


@dataclass
class Desk:
    """Answers with a clock that stands still until it is moved."""

    now_s: float = 1000.0
    most_bytes: int = 1000

    def __post_init__(self) -> None:
        self.models = Models()
        self.holding: Holding | None = None
        versions = Versions(self.models)  # type: ignore[arg-type]  # all that is used of calls
        self.answers = Answers(versions, lambda: self.now_s, self.most_bytes, self.most_bytes // 4)

    async def ask(self, label: str, owner: str = "local", said: str = "") -> tuple[str, str | None]:
        """Who answered, and the age of the answer."""
        entry = replace(PROBE, holds=lambda _: self.holding)
        headers = [(b"cache-control", said.encode())] if said else []
        request = Request({"type": "http", "headers": headers})

        async def work() -> ProbeResult:
            return ProbeResult(pid=1, owner=owner, request_id="r" * 10)

        found = await self.answers.of(entry, ProbeRequest(label=label), owner, request, work)
        assert isinstance(found, Response)
        age = found.headers.get("age")
        return "replica" if age is None else "gateway", age


@pytest.fixture
def desk() -> Desk:
    return Desk()


def until(moment_s: float) -> Holding:
    return Holding(moment_s, ProbeResult(pid=0, owner="local", request_id="r"))


async def test_an_answer_is_repeated_until_it_ceases_to_hold(desk: Desk) -> None:
    desk.holding = until(1060.5)
    said = []
    for now_s in (1000.0, 1000.2, 1042.9, 1060.4, 1060.5, 1061.0):
        desk.now_s = now_s
        said.append(await desk.ask("a"))

    gateway = [("gateway", age) for age in ("0", "42", "60")]
    assert said == [("replica", None), *gateway, ("replica", None), ("replica", None)]


async def test_a_caller_says_how_old_an_answer_may_be(desk: Desk) -> None:
    desk.holding = until(2000.0)
    await desk.ask("a")
    desk.now_s = 1030.0

    assert await desk.ask("a", said="max-age=60") == ("gateway", "30")
    assert await desk.ask("a", said="max-age=20") == ("replica", None)
    assert await desk.ask("a", said="max-age=20") == ("gateway", "0")


async def test_what_may_change_at_any_time_is_not_kept(desk: Desk) -> None:
    for holding in (None, until(999.0)):
        desk.holding = holding
        assert [await desk.ask("a") for _ in range(2)] == [("replica", None)] * 2


async def test_another_model_answers_afresh(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphs.versions.FRESH_S", 0.0)
    desk.holding = until(2000.0)
    await desk.ask("a")
    assert (await desk.ask("a"))[0] == "gateway"

    desk.models.sha256 = "1" * 64
    assert (await desk.ask("a"))[0] == "replica"
    desk.models.sha256 = None
    assert (await desk.ask("a"))[0] == "replica"


async def test_a_model_is_asked_for_once_by_all_who_wait() -> None:
    class Slow(Models):
        asked = 0

        async def report(self, name: str) -> ReplicaReport:
            self.asked += 1
            await asyncio.sleep(0)
            return await super().report(name)

    models = Slow()
    versions = Versions(models)  # type: ignore[arg-type]  # all that is used of calls
    left = asyncio.ensure_future(versions.of("probe"))
    found = asyncio.gather(*(versions.of("probe") for _ in range(5)))
    await asyncio.sleep(0)
    left.cancel()

    assert len(set(await found)) == 1
    assert models.asked == 1


async def test_memory_is_bounded_and_what_was_not_wanted_goes_first(desk: Desk) -> None:
    desk.holding = until(2000.0)
    size = len(desk.holding.again.model_dump_json())
    kept = desk.most_bytes // size
    for number in range(kept):
        await desk.ask(str(number))
    await desk.ask("0")
    await desk.ask("one-more")

    assert (await desk.ask("0"))[0] == "gateway"
    assert (await desk.ask("1"))[0] == "replica"


async def test_a_long_answer_is_not_kept() -> None:
    desk = Desk(most_bytes=100)
    desk.holding = until(2000.0)

    assert [await desk.ask("a") for _ in range(2)] == [("replica", None)] * 2
