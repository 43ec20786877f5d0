"""The gateway over real HTTP, with a capability whose timing the test chooses."""

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serve.conftest import Service
from tests.serve.test_tasks import until

pytestmark = pytest.mark.serve
PROBE = "/api/v1/probe"


def wait_for(path: Path, limit_s: float = 10) -> float:
    """Time that a file says something happened."""
    end = time.monotonic() + limit_s
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.02)
    return float(path.read_text())


def settle(service: Service) -> None:
    """Wait until the capability answers and nothing is queued."""
    with service.client() as client:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if client.post(PROBE, json={}).status_code == 200:
                return
            time.sleep(0.2)
    pytest.fail("the probe did not come back")


def test_alive_ready_and_described(service: Service) -> None:
    with service.client() as client:
        health = client.get("/health")
        ready = client.get("/ready")
        status = client.get("/status").json()
        services = client.get("/api/v1/services").json()["services"]
        schema = client.get("/openapi.json").json()

    assert health.json()["status"] == "alive"
    assert ready.json()["status"] == "ready"
    assert set(ready.json()["deployments"]) == {"gateway", "orchestrator", "probe"}
    assert status["deployments"]["probe"]["state"] == "HEALTHY"
    assert status["deployments"]["probe"]["replicas"] == 1
    assert status["deployments"]["probe"]["models"][0]["weights_sha256"] == "0" * 64
    assert status["deployments"]["probe"]["num_gpus"] == 0
    assert services[0]["route"] in schema["paths"]


def test_every_reply_and_log_line_carries_the_request_id(service: Service) -> None:
    with service.client() as client:
        given = client.post(PROBE, json={}, headers={"X-Request-ID": "find-me-1"})
        drawn = client.get("/health")
        refused = client.get("/nowhere", headers={"X-Request-ID": "find-me-2"})

    assert given.headers["x-request-id"] == given.json()["request_id"] == "find-me-1"
    assert len(drawn.headers["x-request-id"]) >= 16
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == "find-me-2"
    lines = [json.loads(line) for line in log_lines(service) if line.startswith("{")]
    about = [line for line in lines if line.get("request_id") == "find-me-1"]
    assert any(line["message"] == "run finished" and line["code"] == "ok" for line in about)


def log_lines(service: Service) -> list[str]:
    """All lines of the replicas' log files."""
    files = (service.data_dir / "logs").glob("replica_*.log")
    return [line for file in files for line in file.read_text().splitlines()]


def test_an_asset_is_served_by_range_and_condition(service: Service) -> None:
    with service.client(headers={"Accept-Encoding": "identity"}) as client:
        url = client.post(PROBE, json={"keep": "0123456789" * 1000}).json()["asset"]["url"]
        whole = client.get(url)
        part = client.get(url, headers={"Range": "bytes=5-14"})
        parts = client.get(url, headers={"Range": "bytes=0-0,-1"})
        same = client.get(url, headers={"If-None-Match": whole.headers["etag"]})
        head = client.head(url)
        packed = client.get(url, headers={"Accept-Encoding": "gzip"})

    assert whole.headers["cache-control"] == "public, max-age=2592000, immutable"
    assert (part.status_code, part.text) == (206, "5678901234")
    assert parts.headers["content-type"].startswith("multipart/byteranges")
    assert (same.status_code, same.content) == (304, b"")
    assert (head.headers["content-length"], head.content) == ("10000", b"")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == whole.text


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b'{"sleep_s": -1}', 422), (b" " * (2**20 + 1), 413)]
)
def test_bad_input_is_a_problem(service: Service, body: bytes, status: int) -> None:
    with service.client() as client:
        answer = client.post(PROBE, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bug_is_a_problem_without_its_traceback(service: Service) -> None:
    with service.client() as client:
        answer = client.post(PROBE, json={"fail": "bug"})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret internals" not in answer.text


def test_a_full_queue_says_when_to_come_back_and_means_it(service: Service) -> None:
    def call(_: int) -> httpx.Response:
        with service.client() as client:
            return client.post(PROBE, json={"sleep_s": 1})

    with service.client() as client:
        for _ in range(12):  # the advice goes by how long the last ones took
            client.post(PROBE, json={})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in refused:
        assert answer.headers["content-type"] == "application/problem+json"
    time.sleep(max(int(answer.headers["retry-after"]) for answer in refused))

    assert call(0).status_code == 200


def test_work_stops_within_a_second_of_its_client_leaving(service: Service) -> None:
    settle(service)
    body = json.dumps({"sleep_s": 30, "label": "leaver"}).encode()
    head = (
        f"POST {PROBE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    marks = service.data_dir / "cache" / "probe"
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head + body)
        wait_for(marks / "leaver.started")
        time.sleep(0.3)
        left = time.time()
    stopped = wait_for(marks / "leaver.cancelled")

    assert stopped - left < 1.0


def test_work_lost_to_sigkill_is_repeated_unseen(service: Service) -> None:
    settle(service)
    (before,) = service.replicas("probe")
    with service.client() as client:
        answer = client.post(PROBE, json={"die": "once", "label": "once"})

    assert answer.status_code == 200
    assert answer.json()["pid"] != before.pid


def test_work_that_kills_every_replica_is_a_503(service: Service) -> None:
    settle(service)
    with service.client() as client:
        answer = client.post(PROBE, json={"die": "always", "label": "always"})

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    settle(service)


class Storm(threading.Thread):
    """Kills replica after replica: one in the midst of its work, the next before it is ready."""

    def __init__(self, service: Service, answers: list[httpx.Response]) -> None:
        super().__init__()
        self.answers, self.dead = answers, set[int]()
        self._service = service
        self._marks = service.data_dir / "cache" / "probe"

    def run(self) -> None:
        for _ in range(3):
            goal = self.good() + 4
            until(lambda: self.good() >= goal, 60)  # noqa: B023 - called in this turn
            for mark in self._marks.glob("storm-*.started"):
                mark.unlink()
            until(lambda: any(self._marks.glob("storm-*.started")), 60)
            self._kill()
            self._kill()

    def good(self) -> int:
        return sum(answer.status_code == 200 for answer in self.answers)

    def _kill(self) -> None:
        until(lambda: bool(self._newcomers()), 60)
        for replica in self._newcomers():
            self.dead.add(replica.pid)
            os.kill(replica.pid, signal.SIGKILL)

    def _newcomers(self) -> list[psutil.Process]:
        return [one for one in self._service.replicas("probe") if one.pid not in self.dead]


def test_nobody_sees_a_bare_500_while_replicas_are_killed(service: Service) -> None:
    settle(service)
    answers: list[httpx.Response] = []
    storm = Storm(service, answers)
    storm.start()
    with service.client() as client:
        while storm.is_alive():
            label = f"storm-{len(answers)}"
            answers.append(client.post(PROBE, json={"sleep_s": 0.3, "label": label}))
    storm.join()

    assert len(storm.dead) >= 6
    assert storm.good() >= 12
    assert {answer.status_code for answer in answers} <= {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
    settle(service)


def test_only_loopback_is_bound(service: Service) -> None:
    found = set()
    assert service.process is not None
    for process in service.descendants():
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(connection.laddr.ip.removeprefix("::ffff:"))

    assert found <= {"127.0.0.1", "::1"}
    assert found
