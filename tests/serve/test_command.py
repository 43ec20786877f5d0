"""`orrery serve`: what it starts it stops, and nothing else."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from graphs.principals import add_key
from tests.serve.conftest import ROOT, Service, free_port, probe_config

pytestmark = pytest.mark.serve
STRANGER = """
import ray, time
ray.init(address="local", include_dashboard=False, num_cpus=1, log_to_driver=False)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def stranger(scratch: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another Ray on the machine."""
    process = subprocess.Popen(
        [sys.executable, "-c", STRANGER], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "up"
    yield process
    process.send_signal(signal.SIGINT)
    process.wait(30)
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it_within_ten_seconds_and_nothing_else(
    doomed_service: Service, stranger: "subprocess.Popen[str]", number: int
) -> None:
    service = doomed_service
    of_stranger = psutil.Process(stranger.pid).children(recursive=True)
    own = service.descendants()
    seconds = service.stop(number)
    _, alive = psutil.wait_procs(own, timeout=3)

    assert service.process is not None
    assert service.process.returncode == 0
    assert seconds <= 10
    assert alive == []
    assert stranger.poll() is None
    assert all(process.is_running() for process in of_stranger)


def test_what_is_started_ends_with_a_killed_command(doomed_orrery: Service) -> None:
    own = doomed_orrery.descendants()
    doomed_orrery.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs(own, timeout=30)

    assert alive == []


def run_serve(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "graphs.cli", "serve", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_a_busy_port_is_named_with_its_holder_and_the_way_out() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ended = run_serve("--port", str(port))

    assert ended.returncode == 2
    assert f"port {port} is taken by" in ended.stderr
    assert f"--port {port + 1}" in ended.stderr
    assert f"PORT={port + 1}" in ended.stderr


def test_an_open_address_without_keys_is_refused() -> None:
    ended = run_serve("--host", "0.0.0.0", "--port", str(free_port()))

    assert ended.returncode == 2
    assert "orrery keys add" in ended.stderr


@pytest.fixture(scope="module")
def keyed(scratch: Path) -> Iterator[tuple[Service, str]]:
    """The service with a key, on a machine whose Ray believes in a GPU."""
    keys_file = scratch / "keys.json"
    key = add_key(keys_file, "a", "acme", frozenset({"*"}))
    environment = {"ORRERY_KEYS_FILE": str(keys_file), "RAY_OVERRIDE_RESOURCES": '{"GPU": 1}'}
    service = Service(probe_config(scratch), free_port(), scratch / "keyed", environment).start()
    try:
        yield service.wait_until_ready(), key
    finally:
        service.end()


def test_with_keys_the_service_starts_and_asks_for_them(keyed: tuple[Service, str]) -> None:
    service, key = keyed
    with service.client() as client:
        without = client.get("/status")
        answer = client.post("/api/v1/probe", json={}, headers={"Authorization": f"Bearer {key}"})

    assert without.status_code == 401
    assert answer.json()["owner"] == "acme"
    assert key not in "".join(service.printed)


def test_the_same_file_takes_its_share_of_a_gpu_where_there_is_one(
    keyed: tuple[Service, str],
) -> None:
    service, key = keyed
    with service.client(headers={"Authorization": f"Bearer {key}"}) as client:
        probe = client.get("/status").json()["deployments"]["probe"]

    assert probe["num_gpus"] == 0.5


def test_a_faulty_configuration_ends_with_the_reason(scratch: Path) -> None:
    config = probe_config(scratch)
    broken = scratch / "broken.yaml"
    broken.write_text(config.read_text().replace("probe_app:build", "probe_app:absent"))
    ended = run_serve("--config", str(broken), "--port", str(free_port()))

    assert ended.returncode == 2
    assert "absent" in ended.stderr
