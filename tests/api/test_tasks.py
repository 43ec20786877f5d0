"""Workflows over HTTP, on a real engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphs.calls import Calls
from graphs.principals import add_key
from graphs.steps import CapabilitySteps
from models.workflow.engine import DurableEngine
from models.workflow.options import EngineOptions
from tests.api.conftest import Api
from tests.api.test_errors import assert_problem
from tests.probe import PROBE

ORCHESTRATE = "/api/v1/orchestrate"
LONG = replace(
    PROBE,
    name="probe_long",
    deployment="probe",
    route="/api/v1/probe/long",
    durable=True,
    tables={},
)


def probe(name: str, **more: object) -> dict[str, Any]:
    return {"id": name, "uses": "probe.run", **more}


SPEC: dict[str, Any] = {
    "name": "two",
    "tasks": [
        probe("a", **{"with": {"keep": "hello"}}),
        probe("b", **{"with": {"keep": "${{ tasks.a.outputs.owner }}"}}),
    ],
    "outputs": {"asset": "${{ tasks.b.outputs.asset }}"},
}


@pytest.fixture
async def tasks(api: Api, tmp_path: Path) -> AsyncIterator[Api]:
    steps = CapabilitySteps((PROBE, LONG), Calls(api.backend))
    options = EngineOptions(tmp_path / "runs.db", min_free_bytes=0)
    engine = DurableEngine(options, steps, api.store, lambda: None)
    await engine.start()
    api.engine = engine
    yield api
    await engine.close()


@pytest.fixture
async def http(tasks: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with tasks.client() as client:
        yield client


def events_in(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("id:")]
    return [(int(number[4:]), name[7:], json.loads(data[6:])) for number, name, data in blocks]


async def test_a_graph_is_accepted_and_ends_with_assets(http: httpx.AsyncClient) -> None:
    accepted = await http.post(ORCHESTRATE, json=SPEC)
    events = await http.get(accepted.json()["events_url"])
    task = (await http.get(accepted.headers["location"])).json()

    assert accepted.status_code == 202
    assert accepted.json()["url"] == accepted.headers["location"]
    assert events.headers["content-type"].startswith("text/event-stream")
    assert [number for number, _, _ in events_in(events.text)] == list(range(6))
    assert (task["state"], task["progress"]) == ("completed", 1.0)
    assert task["trace_id"] == accepted.headers.get("x-request-id", task["trace_id"])
    kept = await http.get(task["outputs"]["asset"]["url"])
    assert kept.text == "local"


async def test_events_resume_without_a_gap_or_a_repeat(http: httpx.AsyncClient) -> None:
    url = (await http.post(ORCHESTRATE, json=SPEC)).json()["events_url"]
    all_events = events_in((await http.get(url)).text)

    resumed = await http.get(url, headers={"Last-Event-ID": "2"})

    assert events_in(resumed.text) == all_events[3:]
    assert_problem(await http.get(url, headers={"Last-Event-ID": "x"}), 400, "bad-request")


async def test_waiting_gives_the_end_at_once(http: httpx.AsyncClient) -> None:
    ended = await http.post(ORCHESTRATE + "?wait=20", json=SPEC)

    assert ended.status_code == 200
    assert ended.json()["state"] == "completed"


async def test_every_fault_is_told_with_its_pointer(http: httpx.AsyncClient) -> None:
    wrong = {
        "tasks": [
            probe("a", **{"with": {"sleep_s": 1000}}),
            {"id": "b", "uses": "no.such"},
            probe("c", **{"with": {"sleep_s": "${{ tasks.a.outputs.owner }}"}}),
        ]
    }

    answer = await http.post(ORCHESTRATE, json=wrong)

    body = assert_problem(answer, 422, "invalid-input")
    pointers = [error["pointer"] for error in body["errors"]]  # type: ignore[attr-defined]
    assert pointers == ["/tasks/0/with/sleep_s", "/tasks/1/uses", "/tasks/2/with/sleep_s"]
    told = str(body["detail"])
    assert told.startswith("task 'a', sleep_s: Input should be less than or equal to 60; ")
    assert "task 'b', uses: no such service" in told
    assert "/tasks/" not in told


async def test_a_malformed_graph_points_into_the_body(http: httpx.AsyncClient) -> None:
    answer = await http.post(ORCHESTRATE, json={"tasks": [{"id": "a b", "uses": "probe.run"}]})

    body = assert_problem(answer, 422, "invalid-input")
    assert body["errors"][0]["pointer"] == "/tasks/0/id"  # type: ignore[index]


async def test_the_same_key_is_the_same_task(http: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "once"}
    first = await http.post(ORCHESTRATE, json=SPEC, headers=key)
    again = await http.post(ORCHESTRATE, json=SPEC, headers=key)
    other = await http.post(ORCHESTRATE, json=SPEC | {"name": "x"}, headers=key)

    assert first.json() == again.json()
    assert_problem(other, 422, "invalid-input")


async def test_a_dry_run_tells_the_order_and_starts_nothing(
    tasks: Api, http: httpx.AsyncClient
) -> None:
    plan = await http.post(ORCHESTRATE + "?dry_run=true", json=SPEC)

    assert plan.status_code == 200
    assert plan.json()["waves"] == [["a"], ["b"]]
    assert plan.json()["time_s"] > 0
    assert (await http.get("/api/v1/task")).json()["runs"] == []
    assert tasks.backend.runs == 0


async def test_an_unknown_task_is_404_everywhere(http: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/api/v1/task/nope"),
        ("DELETE", "/api/v1/task/nope"),
        ("POST", "/api/v1/task/nope/retry"),
        ("GET", "/api/v1/task/nope/events"),
    ):
        assert_problem(await http.request(method, path), 404, "unknown-asset")


async def test_a_failed_task_is_tried_again_from_where_it_failed(
    tasks: Api, http: httpx.AsyncClient
) -> None:
    spec = {
        "tasks": [probe("a"), probe("b", needs=["a"], **{"with": {"fail": "model-unavailable"}})]
    }
    failed = (await http.post(ORCHESTRATE + "?wait=20", json=spec)).json()
    runs = tasks.backend.runs

    again = await http.post(f"/api/v1/task/{failed['run_id']}/retry")
    await http.get(again.json()["events_url"])

    assert failed["state"] == "failed"
    assert failed["failure"]["code"] == "model-unavailable"
    assert again.status_code == 202
    assert (await http.get(again.headers["location"])).json()["retry_of"] == failed["run_id"]
    assert tasks.backend.runs == runs + 1


async def test_a_list_is_filtered_and_paged(http: httpx.AsyncClient) -> None:
    for _ in range(3):
        await http.post(ORCHESTRATE + "?wait=20", json=SPEC)
    await asyncio.sleep(0.2)

    first = (await http.get("/api/v1/task?limit=2&state=completed")).json()
    rest = (await http.get(f"/api/v1/task?limit=2&cursor={first['cursor']}")).json()

    assert (len(first["runs"]), len(rest["runs"]), rest["cursor"]) == (2, 1, None)
    assert (await http.get("/api/v1/task?state=failed")).json()["runs"] == []


async def test_a_call_can_become_a_task(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/api/v1/probe",
        json={"keep": "not ${{ an.expression }}"},
        headers={"Prefer": "respond-async, wait=10"},
    )
    await http.get(answer.json()["events_url"])
    task = (await http.get(answer.headers["location"])).json()

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert task["state"] == "completed"
    kept = await http.get(task["outputs"]["result"]["asset"]["url"])
    assert kept.text == "not ${{ an.expression }}"


async def test_what_takes_long_is_a_task_unasked(tasks: Api) -> None:
    tasks.catalogue = (PROBE, LONG)
    async with tasks.client() as client:
        answer = await client.post("/api/v1/probe/long", json={"keep": "film"})
        await client.get(answer.json()["events_url"])
        task = (await client.get(answer.headers["location"])).json()

    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["url"]
    assert "preference-applied" not in answer.headers
    assert task["outputs"]["result"]["asset"]["filename"] == "probe.txt"


async def test_each_owner_has_a_limit_and_sees_it(tasks: Api, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    headers = {
        owner: {"X-API-Key": add_key(keys, owner, owner, frozenset({"*"}))} for owner in "ab"
    }
    busy = tasks.engine._busy  # type: ignore[union-attr]  # this one is ours
    busy._options = replace(busy._options, max_runs_per_owner=2)
    slow = {"name": "slow", "tasks": [probe("a", **{"with": {"sleep_s": 60}})]}
    async with tasks.client(keys) as client:
        begun = [await client.post(ORCHESTRATE, json=slow, headers=headers["a"]) for _ in "12"]
        refused = await client.post(ORCHESTRATE, json=slow, headers=headers["a"])
        own = (await client.get("/api/v1/usage", headers=headers["a"])).json()
        other = (await client.get("/api/v1/usage", headers=headers["b"])).json()
        free = await client.post(ORCHESTRATE, json=SPEC, headers=headers["b"])
        for one in begun:
            await client.delete(one.json()["url"], headers=headers["a"])

    assert_problem(refused, 429, "capacity-exceeded")
    assert refused.headers["retry-after"] == "5"
    assert "2 of your tasks" in refused.json()["detail"]
    assert (own["owner"], own["tasks"], own["max_tasks"]) == ("a", 2, 2)
    assert (other["owner"], other["tasks"]) == ("b", 0)
    assert free.status_code == 202


async def test_a_key_must_cover_what_the_graph_uses(tasks: Api, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    narrow = add_key(keys, "a", "acme", frozenset({"workflow"}))
    wide = add_key(keys, "b", "acme", frozenset({"workflow", "probe"}))
    other = add_key(keys, "c", "eve", frozenset({"*"}))
    async with tasks.client(keys) as client:
        refused = await client.post(ORCHESTRATE, json=SPEC, headers={"X-API-Key": narrow})
        done = await client.post(ORCHESTRATE + "?wait=20", json=SPEC, headers={"X-API-Key": wide})
        url = f"/api/v1/task/{done.json()['run_id']}"
        foreign = await client.get(url, headers={"X-API-Key": other})
        own = await client.get(url, headers={"X-API-Key": narrow})

    assert_problem(refused, 403, "forbidden")
    assert_problem(foreign, 404, "unknown-asset")
    assert own.status_code == 200
