"""`orrery serve` with a capability that sleeps, under one of two policies, and a watch on its fleet."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from benchmarks.scaling_steps import MAX_REPLICAS, OURS, PUSH_S, ROUTER_S, SERVE

ROOT = Path(__file__).resolve().parents[1]
PORTS = {"ours": 8721, "serve": 8722}
# A client sends the token only where it is told to; the service is on loopback, and asks for it.
CLIENT = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
START_LIMIT_S, STOP_LIMIT_S = 180.0, 60.0


class Sample(NamedTuple):
    """The fleet at a moment.

    Attributes:
        at_s: On the monotonic clock.
        alive: Replicas that exist.
        asked: Of them, those that are not told to stop.
        running: Of those, those that work.
    """

    at_s: float
    alive: int
    asked: int
    running: int


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def serving(folder: Path, name: str) -> Iterator[str]:
    """The address of the service under a policy, `ours` or `serve`, which stops afterwards.

    Raises:
        SystemExit: It did not start in time.
    """
    config = folder / "serve_config.yaml"
    config.write_text(yaml.safe_dump(_configuration(name)))
    environment = {
        "ORRERY_DATA_DIR": str(folder / "data"),
        "TMPDIR": str(folder),
        "RAY_SERVE_ROUTER_RETRY_MAX_BACKOFF_S": str(ROUTER_S),
    }
    command = [sys.executable, "-m", "graphs.cli", "serve", "--config", str(config)]
    process = subprocess.Popen(
        [*command, "--port", str(PORTS[name])],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=sys.stderr,
    )
    try:
        url = f"http://127.0.0.1:{PORTS[name]}"
        _wait(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            tell(f"{name}: the service has not stopped after {STOP_LIMIT_S:.0f} s: killed")
            process.kill()
            process.wait()


def _configuration(name: str) -> dict[str, Any]:
    """What is checked in, with the nap as its one capability."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = document["applications"][0]
    application["import_path"] = "benchmarks.scaling_app:build"
    application["args"]["resources"]["nap"] = {"num_cpus": 0.05}
    own = [d for d in application["deployments"] if d["name"] in {"gateway", "orchestrator"}]
    # Ray 2.60 has environment variables for the interval, and does not read them.
    bounds: dict[str, float] = {"metrics_interval_s": PUSH_S, **SERVE}
    bounds |= {"min_replicas": 1, "max_replicas": MAX_REPLICAS}
    if name == "ours":
        # The policy holds by itself; Serve's delays would come on top.
        bounds |= {"upscale_delay_s": 0, "downscale_delay_s": 0}
        roomy = {"cpu": 2, "memory": 2, "disk": 2}  # the machine is shared; napping needs none
        kwargs = {"deployments": {"nap": OURS}, "limits": roomy}
        application["autoscaling_policy"]["policy_kwargs"] = kwargs
    else:
        del application["autoscaling_policy"]
    nap = {"name": "nap", "max_ongoing_requests": 1, "max_queued_requests": 1000}
    application["deployments"] = [*own, {**nap, "autoscaling_config": bounds}]
    return document


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    end_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end_s:
        if process.poll() is not None:
            raise SystemExit(f"the service ended with {process.returncode} before it was ready")
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/ready", timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.5)
    raise SystemExit(f"the service is not ready after {START_LIMIT_S:.0f} s")


@contextmanager
def watching(folder: Path) -> Iterator[list[Sample]]:
    """Samples of the fleet of the service in a folder, which grow while it is watched."""
    (port,) = folder.glob("orrery-*/ray/session_latest/gcs_server_port_*")
    address = f"127.0.0.1:{port.read_text().strip()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scaling_watch", address, "nap"],
        cwd=ROOT,
        env={**os.environ, **CLIENT, "RAY_TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    samples: list[Sample] = []
    reader = threading.Thread(target=_read, args=(process, samples), daemon=True)
    reader.start()
    try:
        yield samples
    finally:
        process.kill()
        process.wait()
        reader.join()


def _read(process: "subprocess.Popen[str]", samples: list[Sample]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        at_s, *counts = line.split()
        samples.append(Sample(float(at_s), *map(int, counts)))
