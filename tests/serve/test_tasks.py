"""Workflows on real Ray: they end, also when the orchestrator is killed."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.serve.conftest import Service

pytestmark = pytest.mark.serve


def graph(sleep_s: float) -> dict[str, Any]:
    """A task that keeps an asset, then one that takes so long."""
    return {
        "tasks": [
            {"id": "a", "uses": "probe.run", "with": {"keep": "first", "label": "task-a"}},
            {"id": "b", "uses": "probe.run", "needs": ["a"], "with": {"sleep_s": sleep_s}},
        ],
        "outputs": {"asset": "${{ tasks.a.outputs.asset.url }}"},
    }


def ended(client: httpx.Client, url: str, limit_s: float = 60) -> dict[str, Any]:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        answer = client.get(url)
        if answer.status_code == 200 and answer.json()["state"] in ("completed", "failed"):
            task: dict[str, Any] = answer.json()
            return task
        time.sleep(0.2)
    raise AssertionError(answer.text)


def test_a_graph_runs_and_its_asset_is_served(service: Service) -> None:
    with service.client() as client:
        accepted = client.post("/api/v1/orchestrate", json=graph(0.1))
        task = ended(client, accepted.headers["location"])
        events = client.get(accepted.json()["events_url"]).text

        assert (task["state"], task["tasks"][0]["attempts"]) == ("completed", 1)
        assert client.get(task["outputs"]["asset"]).text == "first"
        assert events.count("event: task.completed") == 2


def test_a_graph_survives_the_death_of_the_orchestrator(service: Service) -> None:
    with service.client() as client:
        url = client.post("/api/v1/orchestrate", json=graph(3)).headers["location"]
        until(lambda: client.get(url).json()["tasks"][1]["state"] == "running")
        service.replicas("orchestrator")[0].kill()

        task = ended(client, url)

    assert task["state"] == "completed"
    assert task["tasks"][0]["attempts"] == 1


def until(condition: Callable[[], bool], limit_s: float = 30) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


def sleeping(label: str, sleep_s: float) -> dict[str, Any]:
    arguments = {"sleep_s": sleep_s, "label": label, "show": "so far"}
    return {"tasks": [{"id": "a", "uses": "probe.run", "with": arguments}]}


def test_a_step_tells_its_progress_and_stops_when_it_is_cancelled(service: Service) -> None:
    marks = service.data_dir / "cache/probe"
    with service.client() as client:
        url = client.post("/api/v1/orchestrate", json=sleeping("stops", 50)).headers["location"]
        until(lambda: client.get(url).json()["tasks"][0]["progress"] > 0)
        seen = client.get(url).json()["tasks"][0]

        assert client.delete(url).is_success
        until((marks / "stops.cancelled").exists, 10)

        assert (seen["stage"], seen["preview_url"][:16]) == ("sleeping", "data:text/plain;")
        assert client.get(url).json()["state"] == "cancelled"


def test_a_step_whose_replica_dies_runs_again(service: Service) -> None:
    marks = service.data_dir / "cache/probe"
    with service.client() as client:
        url = client.post("/api/v1/orchestrate", json=sleeping("dies", 2)).headers["location"]
        for _ in range(2):
            until((marks / "dies.started").exists)
            (marks / "dies.started").unlink()
            service.replicas("probe")[0].kill()

        task = ended(client, url)

    assert task["state"] == "completed"


def test_a_watched_call_is_cancelled_when_nobody_watches(service: Service) -> None:
    mark = service.data_dir / "cache/probe/watched.cancelled"
    arguments = sleeping("watched", 50)["tasks"][0]["with"]
    events = {"Accept": "text/event-stream"}
    with (
        service.client() as client,
        client.stream("POST", "/api/v1/probe", json=arguments, headers=events) as answer,
    ):
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("event:"))

    until(mark.exists, 10)

    assert first == "event: progress"
