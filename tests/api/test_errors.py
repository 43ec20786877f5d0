"""Every error is a problem that says what to do."""

import httpx
import pytest
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError

from graphs.problems import MEDIA_TYPE, PROBLEMS
from tests.api.conftest import Api
from tests.probe import ERRORS


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert body["type"] == f"urn:orrery:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"]
    return body


CODES = sorted(c for c, error in ERRORS.items() if error.__module__ == "models.core.errors")


@pytest.mark.parametrize("code", CODES)
async def test_an_expected_error_keeps_its_status(client: httpx.AsyncClient, code: str) -> None:
    answer = await client.post("/api/v1/probe", json={"fail": code})

    assert_problem(answer, ERRORS[code].status, code)


def test_every_error_is_a_documented_problem_with_a_code_of_its_own() -> None:
    assert set(PROBLEMS) == set(ERRORS.values())
    assert len({error.code for error in PROBLEMS}) == len(PROBLEMS)


async def test_a_waiting_time_is_rounded_up(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/probe", json={"fail": "upstream-unavailable"})

    assert answer.headers["retry-after"] == "8"
    assert answer.json()["retry_after_s"] == 8


async def test_a_bug_tells_nothing_but_where_to_look(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/probe", json={"fail": "bug"}, headers={"X-Request-ID": "look-here"}
    )

    body = assert_problem(answer, 500, "internal-error")
    assert body["request_id"] == "look-here"
    assert "secret internals" not in answer.text


async def test_a_validation_error_points_into_the_body(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/probe", json={"sleep_s": 1000, "colour": "red"})

    body = assert_problem(answer, 422, "invalid-input")
    assert {e["pointer"] for e in body["errors"]} == {"/sleep_s", "/colour"}
    assert "less than or equal to 60" in str(body["detail"])


async def test_a_body_that_is_not_json_is_a_bad_request(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/probe", content=b"{", headers={"Content-Type": "application/json"}
    )

    assert_problem(answer, 400, "bad-request")


async def test_an_unknown_route_and_a_wrong_method(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nowhere"), 404, "unknown-route")
    wrong = await client.delete("/api/v1/probe")
    assert_problem(wrong, 405, "wrong-method")
    assert wrong.headers["allow"] == "POST"
    asset = await client.put("/assets/" + "0" * 64)
    assert asset.headers["allow"] == "DELETE, GET, HEAD"


async def test_a_body_beyond_the_limit_is_refused_unread(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}

    async def endless() -> object:
        while True:
            yield b" " * 1000

    declared = await client.post("/api/v1/probe", content=b" " * 5000, headers=headers)
    chunked = await client.post("/api/v1/probe", content=endless(), headers=headers)

    assert "4096 bytes" in str(assert_problem(declared, 413, "too-large")["detail"])
    assert_problem(chunked, 413, "too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
)
async def test_only_plain_json_is_read(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post("/api/v1/probe", content=b"{}", headers=headers)

    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("given", ["a b", "x" * 65, "a\tb", "ü".encode().decode("latin-1")])
async def test_a_malformed_request_id_is_refused(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health", headers={b"X-Request-ID": given.encode("latin-1")})

    assert_problem(answer, 400, "bad-request")


async def test_a_request_id_reaches_the_capability(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/probe", json={}, headers={"X-Request-ID": "abc.1-2_3"})

    assert answer.json()["request_id"] == "abc.1-2_3"


async def test_work_lost_with_its_replica_is_repeated_once(api: Api) -> None:
    api.backend.failures = [RayActorError()]
    async with api.client() as client:
        answer = await client.post("/api/v1/probe", json={})

    assert answer.status_code == 200
    assert api.backend.runs == 2


async def test_work_lost_twice_is_a_503_with_a_waiting_time(api: Api) -> None:
    api.backend.failures = [RayActorError(), RayActorError()]
    async with api.client() as client:
        answer = await client.post("/api/v1/probe", json={})

    assert_problem(answer, 503, "upstream-unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_those_refused_by_a_full_queue_are_spread_out(api: Api) -> None:
    api.backend.failures = [BackPressureError(3, 3) for _ in range(5)]
    waits = []
    async with api.client() as client:
        for _ in range(5):
            answer = await client.post("/api/v1/probe", json={})
            assert_problem(answer, 429, "capacity-exceeded")
            waits.append(int(answer.headers["retry-after"]))

    assert waits == sorted(set(waits))
