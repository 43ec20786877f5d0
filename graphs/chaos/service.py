"""A service of its own to break: the drill behind the real gateway, orchestrators and proxy."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

REPOSITORY: Final = Path(__file__).resolve().parents[2]
NAME: Final = "drill"
START_LIMIT_S: Final = 240.0
OWN: Final = ("gateway", "orchestrator")
READY: Final = "Ctrl-C"


class NotStarted(RuntimeError):
    """The service to break did not start."""


def configuration(checked_in: dict[str, Any], ledger_url: str, runs_url: str) -> dict[str, Any]:
    """The checked-in configuration with the drill in place of the capabilities.

    Args:
        checked_in: `serve_config.yaml`.
        ledger_url: Where effects are made.
        runs_url: Where runs are kept; empty for the embedded store.
    """
    application = checked_in["applications"][0]
    application["import_path"] = "graphs.chaos.drill:build"
    application["args"] = {
        "resources": {NAME: {"num_cpus": 0.1, "threads": 8}},
        "options": {NAME: {"ledger": ledger_url}},
        **({"runs_url": runs_url} if runs_url else {}),
    }
    kept = [d for d in application["deployments"] if d["name"] in OWN]
    # Others take over where one dies; with three, the next can die while the last one restarts.
    for deployment in kept:
        if deployment["name"] == "orchestrator":
            deployment["num_replicas"] = 3
    drill = {
        "name": NAME,
        "num_replicas": 2,
        "max_ongoing_requests": 8,
        "health_check_period_s": 1,
        "graceful_shutdown_timeout_s": 1,
    }
    application["deployments"] = [*kept, drill]
    return checked_in


@contextlib.contextmanager
def started(ledger_url: str, runs_url: str) -> Iterator[tuple[str, int]]:
    """URL and process id of a service that is ready; it and what it kept are gone in the end.

    Raises:
        NotStarted: It did not start.
    """
    with tempfile.TemporaryDirectory(prefix="orrery-chaos-") as name:
        folder = Path(name)
        checked_in = yaml.safe_load((REPOSITORY / "serve_config.yaml").read_text())
        path = folder / "chaos.yaml"
        path.write_text(yaml.safe_dump(configuration(checked_in, ledger_url, runs_url)))
        port = _free_port()
        own = {"ORRERY_DATA_DIR": str(folder / "data")}
        with (folder / "serve.out").open("w+") as out:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and files
                [
                    sys.executable,
                    "-m",
                    "graphs.cli",
                    "serve",
                    "--config",
                    path,
                    "--port",
                    str(port),
                ],
                env={**os.environ, **own},  # noqa: TID251 - passed on whole, not read
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                start_new_session=True,
            )
            try:
                _wait_until_ready(process, Path(out.name))
                yield f"http://127.0.0.1:{port}", process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", out: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while READY not in (said := out.read_text()):
        if process.poll() is not None or time.monotonic() > end:
            raise NotStarted(f"the service to break did not start: {said[-2000:]}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
