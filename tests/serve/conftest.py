"""The service as a user starts it: `orrery serve` in a process of its own, real Ray, real HTTP."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S, RECOVERY_LIMIT_S = 240.0, 60.0
# Between those that Ray's workers listen on and those that the system gives away unasked, so that
# a port which is free now is free when the service binds it.
PORTS = range(20_000, 30_000)


def free_port() -> int:
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


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

    def recovers(self) -> bool:
        """Whether all of it answers, at once or after what was done to it."""
        assert self.process is not None
        end = time.monotonic() + RECOVERY_LIMIT_S
        while self.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError), self.client() as client:
                if client.get("/ready").status_code == 200:
                    return True
            time.sleep(0.2)
        return False

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal it; seconds until it was gone."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(number)
        self._bury()
        return time.monotonic() - started

    def end(self) -> None:
        """End it without the seconds that Serve takes to end what it runs: it notices, and clears up."""
        for process in self.descendants():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._bury()

    def _bury(self) -> None:
        assert self.process is not None
        self.process.wait(60)
        self.reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def descendants(self) -> list[psutil.Process]:
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def replicas(self, name: str) -> list[psutil.Process]:
        title = f"ServeReplica:orrery:{name}"
        return [p for p in self.descendants() if title in _command(p)]


def _command(process: psutil.Process) -> str:
    """Of a process; empty once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


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


def probing(scratch: Path) -> Service:
    """The service with the probe, one at a time and two in the queue."""
    return Service(probe_config(scratch), free_port(), scratch / "probe")


def whole(scratch: Path) -> Service:
    """The service as checked in, with a diffusion model of few weights."""
    from benchmarks import tiny_checkpoint  # noqa: PLC0415 - loads diffusers

    shelf = scratch / "checkpoints"
    tiny_checkpoint.sdxl(shelf / "tiny")
    options = {"image": {"diffusers": {"checkpoints": str(shelf), "hub": []}}}
    environment = {"ORRERY_OPTIONS": json.dumps(options)}
    return Service(ROOT / "serve_config.yaml", free_port(), scratch / "whole", environment)


class Shared:
    """One service for all tests in a row that ask for the same: a start takes half a minute.

    Where a file leaves it broken, the next one gets another.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._make: Callable[[Path], Service] | None = None
        self._service: Service | None = None

    def ready(self, make: Callable[[Path], Service]) -> Service:
        """The service that is made so; any other has ended."""
        if self._service is None or self._make != make or not self._service.recovers():
            self.end()
            self._make, self._service = make, make(self._scratch).start()
            self._service.wait_until_ready()
        return self._service

    @contextlib.contextmanager
    def taken(self, make: Callable[[Path], Service]) -> Iterator[Service]:
        """The same, for a test that ends it: nobody gets it afterwards."""
        service, self._service = self.ready(make), None
        yield service
        service.end()

    def end(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            service.end()


SHARED = pytest.StashKey[Shared]()


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Shared]:
    """The same for every folder that has this fixture; it ends before its files are removed."""
    found = request.config.stash.setdefault(SHARED, Shared(scratch))
    yield found
    found.end()


@pytest.fixture(scope="module")
def service(shared: Shared) -> Service:
    return shared.ready(probing)


@pytest.fixture
def doomed_service(shared: Shared) -> Iterator[Service]:
    with shared.taken(probing) as service:
        yield service


@pytest.fixture(scope="module")
def orrery(shared: Shared) -> Service:
    return shared.ready(whole)


@pytest.fixture
def doomed_orrery(shared: Shared) -> Iterator[Service]:
    with shared.taken(whole) as service:
        yield service


SHARING = ("service", "doomed_service", "orrery", "doomed_orrery")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with services of their own come first, then those that share one, and those that end it."""

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("serve") is None:
            return 0
        asked = getattr(item, "fixturenames", ())
        return max((SHARING.index(name) + 1 for name in SHARING if name in asked), default=0)

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("serve") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))  # whichever comes first waits for the start
