"""Replicas follow the load, GPUs are shared, and each change is explained; real Ray."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.serve.conftest import ROOT, Service, free_port, probe_config
from tests.serve.gpu_node import HEAD_ID

pytestmark = [pytest.mark.serve, pytest.mark.timeout(300)]
PROBE = "/api/v1/probe"
HISTORY = "/api/v1/autoscaler/history"
FAST = {
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}
ROOMY = {"cpu": 2, "memory": 2, "disk": 2}


@pytest.fixture(scope="module")
def pair(scratch: Path) -> Iterator[Service]:
    """Two probes that scale quickly and share a GPU, in which Ray is made to believe."""
    folder = scratch / "pair"
    folder.mkdir(exist_ok=True)
    bounds = {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 1}
    delays = {"look_back_period_s": 3, "upscale_delay_s": 0, "downscale_delay_s": 1}
    path = probe_config(folder, autoscaling_config=bounds | delays, max_queued_requests=50)
    document = yaml.safe_load(path.read_text())
    application = document["applications"][0]
    application["import_path"] = "tests.serve.pair_app:build"
    quick = {"headroom": 0, "slack": 0, "hold_s": 4, "drain_s": 1}
    terms = {"probe": {**quick, "priority": 1}, "rival": quick}
    kwargs = {"gpus": 1, "limits": ROOMY, "deployments": terms}
    application["autoscaling_policy"]["policy_kwargs"] = kwargs
    for name in terms:
        application["args"]["resources"][name] = {"num_cpus": 0.05, "num_gpus": 0.25}
    application["deployments"].append({**application["deployments"][-1], "name": "rival"})
    path.write_text(yaml.safe_dump(document))
    environment = FAST | {"RAY_OVERRIDE_RESOURCES": '{"GPU": 1}'}
    service = Service(path, free_port(), folder / "data", environment).start()
    try:
        yield service.wait_until_ready()
    finally:
        service.end()


def wait(what: str, condition: Callable[[], bool], limit_s: float = 90) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.2)


def get(service: Service, path: str) -> dict[str, Any]:
    with service.client() as client:
        body = client.get(path).json()
    assert isinstance(body, dict)
    return body


def replicas(service: Service, name: str = "probe") -> int:
    return int(get(service, "/status")["deployments"][name]["replicas"])


@contextmanager
def pressed(service: Service, *routes: str, sleep_s: float = 0.4) -> Iterator[None]:
    """Four clients on each route, each sending its next request when the last was answered."""
    done = threading.Event()

    def press(route: str) -> None:
        with service.client() as client:
            while not done.is_set():
                client.post(route, json={"sleep_s": sleep_s})

    clients = [threading.Thread(target=press, args=(route,)) for route in routes * 4]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        done.set()
        for client in clients:
            client.join()


def load(metrics: dict[str, Any]) -> float:
    return float(metrics["deployments"].get("probe", {}).get("load", 0))


def decision(service: Service, name: str = "probe") -> dict[str, Any]:
    with service.client() as client:
        answer = client.get("/scaling-decision")
    if answer.status_code != 200:
        return {"policy": None}
    one = answer.json()["deployments"][name]
    assert isinstance(one, dict)
    return one


def waiting(one: dict[str, Any]) -> set[str]:
    return {each["name"] for each in one.get("waiting") or ()}


def settle(service: Service) -> None:
    """Wait for decisions from reports, and for one replica of each."""
    for name in ("probe", "rival"):
        wait("one replica", lambda name=name: replicas(service, name) == 1)  # type: ignore[misc]
        wait("reports", lambda name=name: decision(service, name)["policy"] == "orrery")  # type: ignore[misc]


def test_replicas_follow_a_step_up_and_down_and_say_why(pair: Service) -> None:
    settle(pair)
    began = len(get(pair, HISTORY)["decisions"])
    with pressed(pair, PROBE, sleep_s=2):  # long beside what a busy machine takes on top
        wait("further replicas", lambda: replicas(pair) > 1)
        # Four ask, and the GPU takes three: one always waits, and who sent it says of which class.
        wait("what waits, by class", lambda: waiting(decision(pair)) == {"ProbeRequest"})
        wait("some load on them", lambda: load(get(pair, "/metrics-system")) > 0.2)
        metrics = get(pair, "/metrics-system")
    wait("one replica again", lambda: replicas(pair) == 1)
    history = get(pair, HISTORY)["decisions"][began:]

    assert load(metrics) > 0
    assert metrics["nodes"][0]["name"] == metrics["gateway_node"]["name"]
    assert 0 < metrics["nodes"][0]["memory"] < 1
    told = [decision["deployments"]["probe"] for decision in history]
    targets = [1, *(one["target"] for one in told)]
    top = targets.index(max(targets))
    assert max(targets) > 1
    assert targets[-1] == 1
    # Up, then down: it never flaps.
    assert targets == sorted(targets[:top]) + sorted(targets[top:], reverse=True)
    grown = next(one for one in told if one["target"] > one["replicas"])
    assert grown["reason"].startswith(f"grows from 1 to {grown['target']}: a load of ")
    assert grown["inputs"]["needed"] > 1
    assert grown["default_policy"]
    assert {each["name"] for each in told[-1]["work"]} == {"ProbeRequest"}
    assert all(len(one["would_change"]) == 2 for one in told if one["policy"] == "orrery")


def test_two_capabilities_share_one_gpu_by_priority(pair: Service) -> None:
    settle(pair)
    with pressed(pair, PROBE, "/api/v1/rival"):
        wait("three replicas", lambda: replicas(pair) == 3, 120)
        # Its own load is averaged too: it may wish for more a little later.
        wait("the rival's wish", lambda: decision(pair, "rival").get("binding") == "budget", 60)
        short = decision(pair, "rival")
        metrics = get(pair, "/metrics-system")
        shared = get(pair, "/status")["deployments"]
    with pressed(pair, "/api/v1/rival"):
        wait("the rival's turn", lambda: replicas(pair, "rival") == 3, 120)
        turned = get(pair, "/status")["deployments"]

    assert [shared[name]["num_gpus"] for name in ("probe", "rival")] == [0.25, 0.25]
    assert (metrics["gpus"], metrics["gpus_free"]) == (1, 0)
    assert short["target"] == shared["rival"]["replicas"] == 1
    assert short["binding"] == "budget"
    assert "shared by priority" in short["reason"]
    assert "a higher priority shrinks" in short["would_change"][0]
    assert turned["probe"]["replicas"] == 1


def test_a_gpu_node_joins_from_zero_serves_and_leaves() -> None:
    with tempfile.TemporaryDirectory(prefix="r") as folder:  # short: Ray's sockets lie below
        environment = {
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "disabled",
            "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
            "RAY_FAKE_CLUSTER": "1",
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
            "RAY_enable_autoscaler_v2": "1",
        }
        command = [sys.executable, "-m", "tests.serve.gpu_node", folder, str(free_port())]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            printed, said = process.communicate(timeout=150)
        finally:
            end_session(process.pid)
    assert process.returncode == 0, said
    seen = json.loads(printed.splitlines()[-1])

    assert (seen["before"], seen["during"], seen["share"]) == (0, 1, 0.25)


def end_session(leader: int) -> None:
    """End what a process started, and no other."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader:
                process.kill()
