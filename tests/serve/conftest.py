"""The service as a user starts it: `orrery serve` in a process of its own, real Ray, real HTTP."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """`orrery serve` and what it printed."""

    config: Path
    port: int
    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: "subprocess.Popen[str] | None" = None
    printed: list[str] = field(default_factory=list)
    reader: threading.Thread = field(default_factory=threading.Thread)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, **options)

    def start(self) -> "Service":
        command = [sys.executable, "-m", "graphs.cli", "serve", "--config", str(self.config)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.arguments],
            cwd=ROOT,
            env={**os.environ, "ORRERY_DATA_DIR": str(self.data_dir), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        return self

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.printed.extend(self.process.stdout)

    def wait_until_ready(self) -> "Service":
        assert self.process is not None
        end = time.monotonic() + START_LIMIT_S
        while not any("Ctrl-C" in line for line in self.printed):
            assert self.process.poll() is None, "".join(self.printed)
            assert time.monotonic() < end, "".join(self.printed)
            time.sleep(0.1)
        return self

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal it; seconds until it was gone."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        seconds = time.monotonic() - started
        self.reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return seconds

    def descendants(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def replicas(self, name: str) -> list[psutil.Process]:
        title = f"ServeReplica:orrery:{name}"
        return [p for p in self.descendants() if title in " ".join(p.cmdline())]


def probe_config(folder: Path, **deployment: Any) -> Path:
    """The checked-in configuration with the probe as its one capability."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["import_path"] = "tests.serve.probe_app:build"
    application["args"] = {
        "resources": {"gateway": {"num_cpus": 0.1}, "probe": {"num_cpus": 0.1, "num_gpus": 0.5}}
    }
    ours = [d for d in application["deployments"] if d["name"] in ("gateway", "orchestrator")]
    probe = {
        "name": "probe",
        "max_ongoing_requests": 1,
        "max_queued_requests": 2,
        "health_check_period_s": 1,
        **deployment,
    }
    application["deployments"] = [*ours, probe]
    path = folder / "probe.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder that outlives a single test."""
    folder = Path(tempfile.mkdtemp(prefix="orrery-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def service(scratch: Path) -> Iterator[Service]:
    """The service with the probe, one at a time and two in the queue."""
    data_dir = scratch / "probe"
    started = Service(probe_config(scratch), free_port(), data_dir).start()
    try:
        yield started.wait_until_ready()
    finally:
        started.stop()


@pytest.fixture(scope="module")
def orrery(scratch: Path) -> Iterator[Service]:
    """The service as checked in."""
    started = Service(ROOT / "serve_config.yaml", free_port(), scratch / "real").start()
    try:
        yield started.wait_until_ready()
    finally:
        started.stop()
