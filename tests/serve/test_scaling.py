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
FAST = {
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}
ROOMY = {"cpu": 2, "memory": 2, "disk": 2}


@contextmanager
def scaled(
    folder: Path, app: str, num_gpus: float, kwargs: dict[str, Any], max_replicas: int
) -> Iterator[Service]:
    """The service with probes that scale quickly; a share of a GPU makes Ray believe in one."""
    folder.mkdir(exist_ok=True)
    bounds = {"min_replicas": 1, "max_replicas": max_replicas, "target_ongoing_requests": 1}
    delays = {"look_back_period_s": 3, "upscale_delay_s": 0, "downscale_delay_s": 1}
    path = probe_config(folder, autoscaling_config=bounds | delays, max_queued_requests=50)
    document = yaml.safe_load(path.read_text())
    application = document["applications"][0]
    application["import_path"] = f"tests.serve.{app}:build"
    application["autoscaling_policy"]["policy_kwargs"] = {"limits": ROOMY, **kwargs}
    for name in kwargs["deployments"]:
        application["args"]["resources"][name] = {"num_cpus": 0.05, "num_gpus": num_gpus}
        if name != "probe":
            application["deployments"].append({**application["deployments"][-1], "name": name})
    path.write_text(yaml.safe_dump(document))
    environment = FAST | ({"RAY_OVERRIDE_RESOURCES": '{"GPU": 1}'} if num_gpus else {})
    service = Service(path, free_port(), folder / "data", environment).start()
    try:
        yield service.wait_until_ready()
    finally:
        service.stop()


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
def pressed(service: Service, *routes: str) -> Iterator[None]:
    """Four clients on each route, each sending its next request when the last was answered."""
    done = threading.Event()

    def press(route: str) -> None:
        with service.client() as client:
            while not done.is_set():
                client.post(route, json={"sleep_s": 0.4})

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


def test_replicas_follow_a_step_up_and_down_and_say_why(scratch: Path) -> None:
    kwargs = {"deployments": {"probe": {"headroom": 0.2, "slack": 0, "hold_s": 4, "drain_s": 2}}}
    with scaled(scratch / "step", "probe_app", 0, kwargs, 2) as service:
        wait("a decision from reports", lambda: decision(service)["policy"] == "orrery")
        assert replicas(service) == 1
        with pressed(service, PROBE):
            wait("the second replica", lambda: replicas(service) == 2)
            wait("some load on both", lambda: load(get(service, "/metrics-system")) > 0.2)
            metrics = get(service, "/metrics-system")
        wait("one replica again", lambda: replicas(service) == 1)
        history = get(service, "/api/v1/autoscaler/history")["decisions"]

    assert load(metrics) > 0
    assert metrics["nodes"][0]["name"] == metrics["gateway_node"]["name"]
    assert 0 < metrics["nodes"][0]["memory"] < 1
    told = [decision["deployments"]["probe"] for decision in history]
    targets = [one["target"] for one in told]
    assert [n for i, n in enumerate(targets) if i == 0 or n != targets[i - 1]] == [1, 2, 1]
    grown = next(one for one in told if one["target"] == 2)
    assert grown["reason"].startswith("grows from 1 to 2: a load of ")
    assert grown["inputs"]["needed"] > 1
    assert grown["default_policy"]
    assert all(len(one["would_change"]) == 2 for one in told if one["policy"] == "orrery")


def test_two_capabilities_share_one_gpu_by_priority(scratch: Path) -> None:
    quick = {"headroom": 0, "slack": 0, "hold_s": 4, "drain_s": 1}
    kwargs = {"gpus": 1, "deployments": {"probe": {**quick, "priority": 1}, "rival": quick}}
    with scaled(scratch / "pair", "pair_app", 0.25, kwargs, 4) as service:
        wait("reports", lambda: decision(service, "rival")["policy"] == "orrery")
        with pressed(service, PROBE, "/api/v1/rival"):
            wait("three replicas", lambda: replicas(service) == 3, 120)
            short = decision(service, "rival")
            metrics = get(service, "/metrics-system")
            shared = get(service, "/status")["deployments"]
        with pressed(service, "/api/v1/rival"):
            wait("the rival's turn", lambda: replicas(service, "rival") == 3, 120)
        turned = get(service, "/status")["deployments"]

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
