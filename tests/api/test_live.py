"""A capability watched while it works."""

import base64
import json
from typing import Any

import httpx
from ray.serve.exceptions import BackPressureError

from tests.api.conftest import Api
from tests.api.test_errors import assert_problem

EVENTS = {"Accept": "text/event-stream"}


def events_in(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("event:")]
    return [(name[7:], json.loads(data[6:])) for name, data in blocks]


async def test_progress_and_previews_come_before_the_result(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/probe", json={"sleep_s": 0.7, "show": "half"}, headers=EVENTS
    )

    events = events_in(answer.text)
    fractions = [data["fraction"] for name, data in events if name == "progress"]
    shown = [data for name, data in events if name == "preview"]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert 2 <= len(fractions) <= 6
    assert fractions == sorted(fractions)
    assert base64.b64decode(shown[0]["url"].split(",")[1]) == b"half"
    assert events[-1][0] == "result"
    assert events[-1][1]["owner"] == "local"


async def test_what_is_refused_at_once_keeps_its_status(
    api: Api, client: httpx.AsyncClient
) -> None:
    missing = await client.post("/api/v1/probe", json={"fail": "unknown-asset"}, headers=EVENTS)
    api.backend.failures = [BackPressureError(num_queued_requests=1, max_queued_requests=1)]
    full = await client.post("/api/v1/probe", json={}, headers=EVENTS)

    assert_problem(missing, 404, "unknown-asset")
    assert_problem(full, 429, "capacity-exceeded")


async def test_a_late_failure_is_the_last_event(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/probe",
        json={"sleep_s": 0.8, "fail_late": "model-unavailable"},
        headers=EVENTS,
    )

    name, problem = events_in(answer.text)[-1]
    assert (answer.status_code, name, problem["status"]) == (200, "problem", 503)
    assert problem["type"] == "urn:orrery:problem:model-unavailable"


async def test_a_browser_that_takes_anything_gets_json(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/probe", json={}, headers={"Accept": "text/event-stream, */*"}
    )

    assert answer.json()["owner"] == "local"
