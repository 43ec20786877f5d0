"""Workflows on real Ray: they end, also when the orchestrator is killed."""

import time
from typing import Any

import httpx
import pytest

from tests.serve.conftest import Service

pytestmark = pytest.mark.serve

GRAPH: dict[str, Any] = {
    "tasks": [
        {"id": "a", "uses": "probe.run", "with": {"keep": "first", "label": "task-a"}},
        {"id": "b", "uses": "probe.run", "needs": ["a"], "with": {"sleep_s": 3}},
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
        accepted = client.post("/api/v1/orchestrate", json=GRAPH)
        task = ended(client, accepted.headers["location"])
        events = client.get(accepted.json()["events_url"]).text

        assert (task["state"], task["tasks"][0]["attempts"]) == ("completed", 1)
        assert client.get(task["outputs"]["asset"]).text == "first"
        assert events.count("event: task.completed") == 2


def test_a_graph_survives_the_death_of_the_orchestrator(service: Service) -> None:
    with service.client() as client:
        accepted = client.post("/api/v1/orchestrate", json=GRAPH)
        time.sleep(1)
        service.replicas("orchestrator")[0].kill()

        task = ended(client, accepted.headers["location"])

    assert task["state"] == "completed"
    assert task["tasks"][0]["attempts"] == 1
