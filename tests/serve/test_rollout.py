"""Another configuration under load, one that fails, and the way back: no request is lost."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.serve.conftest import ROOT, Service, free_port, probe_config

pytestmark = pytest.mark.serve
PROBE = "/api/v1/probe"


@contextmanager
def pressed(service: Service) -> Iterator[list[int]]:
    """Two clients that ask without pause; the status of each answer."""
    done = threading.Event()
    seen: list[int] = []

    def press() -> None:
        with service.client() as client:
            while not done.is_set():
                seen.append(client.post(PROBE, json={"sleep_s": 0.05}).status_code)

    clients = [threading.Thread(target=press) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        done.set()
        for client in clients:
            client.join()


def orrery(service: Service, port: int, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "graphs.cli", *words, "--address", f"http://127.0.0.1:{port}"],
        cwd=ROOT,
        env={**os.environ, "ORRERY_DATA_DIR": str(service.data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_rolling_change_and_its_way_back_lose_no_request(scratch: Path) -> None:
    folder, port = scratch / "rollout", free_port()
    folder.mkdir()
    first = probe_config(folder, max_queued_requests=64, graceful_shutdown_timeout_s=5)
    config = yaml.safe_load(first.read_text())
    arguments = config["applications"][0]["args"]
    arguments["options"] = {"probe": {"edition": 2}}
    arguments["max_body_bytes"] = 4096
    second, broken = folder / "second.yaml", folder / "broken.yaml"
    second.write_text(yaml.safe_dump(config))
    config["applications"][0]["import_path"] = "tests.serve.probe_app:absent"
    broken.write_text(yaml.safe_dump(config))

    def limit(service: Service) -> int:
        with service.client() as client:
            return client.post(PROBE, json={"label": "a" * 5000}).status_code

    service = Service(
        first, free_port(), folder / "data", arguments=("--dashboard-port", str(port))
    )
    service.start()
    try:
        service.wait_until_ready()
        limits = [limit(service)]
        with pressed(service) as seen:
            forth = orrery(service, port, "rollout", str(second))
            limits.append(limit(service))
            failed = orrery(service, port, "rollout", str(broken))
            limits.append(limit(service))
            back = orrery(service, port, "rollback")
            limits.append(limit(service))
            none = orrery(service, port, "rollback")
    finally:
        service.end()

    assert forth[0] == 0, forth[1]
    assert failed[0] == 1, failed[1]
    assert "absent" in failed[1]
    assert back[0] == 0, back[1]
    assert none[0] == 2
    assert limits == [422, 413, 413, 422]
    assert len(seen) > 20
    assert set(seen) == {200}
