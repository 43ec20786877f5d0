"""`orrery serve`: start the service, wait until it is warm, stop all of it and nothing else."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import psutil
import yaml
from pydantic import ValidationError

from graphs.commands.failure import DEPLOY_FAILED, Failure
from graphs.commands.ports import holder_of
from graphs.commands.terminal import Subcommands, say
from graphs.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
START_LIMIT_S = 600.0
# Requests that end within it are answered. Serve would stop one layer of deployments after the other,
# two seconds each at least, but what is left needs no farewell: accepted tasks, records and finished
# parts of films are durable at any moment, and the next start goes on with them.
GRACE_S = 2.0
LAST_BREATH_S = 2.0
POLL_S = 0.25
LOG_TAIL_LINES = 30
LOGS_KEPT_S = 7 * 24 * 3600.0


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("serve", help="start the service and wait until it is warm")
    parser.add_argument(
        "--config",
        type=Path,
        default=REPOSITORY / "serve_config.yaml",
        help="default: serve_config.yaml of the repository",
    )
    parser.add_argument("--host", help="address to bind; default: as in the file")
    parser.add_argument("--port", type=int, help="port to bind; default: as in the file")
    parser.add_argument("--dashboard-port", type=int, help="Ray's dashboard; default: none")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal arrives."""
    config = _read(options.config)
    http = config.setdefault("http_options", {})
    http["host"] = options.host or http.get("host", "127.0.0.1")
    http["port"] = http.get("port", 8000) if options.port is None else options.port
    _check_port(http["port"])
    if options.dashboard_port is not None:
        _check_port(options.dashboard_port)
    _check_address(http["host"], http["port"])
    logs = _log_folder(config)
    # Short, since Ray's socket paths below it may have at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="orrery-"))
    try:
        return Service(config, folder, logs, options.dashboard_port).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Service:
    """One `serve run` in a Ray of its own, from start to end.

    Args:
        config: What `serve run` reads.
        folder: Holds the configuration and all that Ray writes; removed in the end.
        logs: Holds the log, and those of the replicas; kept.
        dashboard_port: Of Ray's dashboard on loopback, if wanted.
    """

    def __init__(
        self,
        config: dict[str, dict[str, object]],
        folder: Path,
        logs: Path,
        dashboard_port: int | None = None,
    ) -> None:
        http = config["http_options"]
        host = "127.0.0.1" if http["host"] in {"0.0.0.0", "::"} else http["host"]  # noqa: S104
        self._address = f"http://{host}:{http['port']}"
        self._folder = folder
        self._log = logs / "serve.log"
        self._config = folder / "serve_config.yaml"
        self._config.write_text(yaml.safe_dump(config))
        self._dashboard = () if dashboard_port is None else (str(dashboard_port),)
        self._stopping = False
        self._needs_key = False

    def run(self) -> int:
        """Start, announce, wait for a signal, stop; the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        started = time.monotonic()
        with self._log.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and files
                [
                    sys.executable,
                    "-m",
                    "graphs.commands.launch",
                    str(self._config),
                    *self._dashboard,
                ],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        try:
            say("Orrery is starting; the first start compiles, later ones are faster ...")
            if self._wait_until_ready(process, started):
                self._announce(time.monotonic() - started)
                while not self._stopping and process.poll() is None:
                    time.sleep(POLL_S)
            if not self._stopping:
                raise Failure(f"the service ended by itself:\n{self._tail()}")
        finally:
            self._stop(process)
        return 0

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _environment(self) -> dict[str, str]:
        own = {
            "RAY_ADDRESS": "local",  # never join a Ray that is already on the machine
            # Elsewhere than on Linux this is the default: all of Ray's own ports on loopback.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_TMPDIR": str(self._folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
        }
        return {**os.environ, **own}  # noqa: TID251 - passed on whole, not read

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]", started: float) -> bool:
        """True once every deployment is warm, False if a signal came first."""
        headers = {"Host": "localhost"}
        while process.poll() is None and not self._stopping:
            if time.monotonic() - started > START_LIMIT_S:
                raise Failure(f"not ready after {START_LIMIT_S:.0f} s:\n{self._tail()}")
            try:
                answer = httpx.get(self._address + "/ready", headers=headers, timeout=2)
            except httpx.HTTPError:
                answer = None
            # With keys configured the gateway refuses us; Serve admits it only when warm.
            if answer is not None and answer.status_code in {200, 401}:
                self._needs_key = answer.status_code != 200
                return True
            log = self._log.read_text(errors="replace")
            if DEPLOY_FAILED in log:
                raise Failure(f"the service cannot start: {log[log.index(DEPLOY_FAILED) :]}")
            time.sleep(POLL_S)
        return False

    def _announce(self, elapsed_s: float) -> None:
        body = '{"prompt": "a chrome teapot next to two red apples on a wooden table"}'
        say(f"\nOrrery is ready at {self._address} ({elapsed_s:.0f} s). A first picture:\n")
        say(f"  curl -s {self._address}/api/v1/generate/image \\")
        say("    -H 'Content-Type: application/json' \\")
        if self._needs_key:
            say("    -H 'Authorization: Bearer KEY' \\")
        say(f"    -d '{body}'\n")
        say(f"then open {self._address} + the `url` of the reply. A page to draw with is at")
        say(f"{self._address}. Logs: {self._log.parent}")
        say("Ctrl-C stops it.")

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        """Let Serve end what it runs, then end what is left of our own Ray."""
        say("Stopping ...")
        started = time.monotonic()
        family = _family(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        # Ray rewrites the titles and environments of its processes: only ancestry tells.
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        deadline = time.monotonic() + LAST_BREATH_S
        while not all(map(_has_ended, family)) and time.monotonic() < deadline:
            time.sleep(0.01)
        say(f"Stopped after {time.monotonic() - started:.1f} s.")


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise Failure(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise Failure(f"{path} is no configuration of Serve; see serve_config.yaml")
    return config


def _settings() -> Settings:
    """What the environment says; the file is checked where the application is built."""
    try:
        return Settings()
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise Failure(f"mend the ORRERY_* variables: {said}") from error


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more; who should bury it may not, such as a container's first process."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _log_folder(config: dict[str, dict[str, object]]) -> Path:
    """Where Serve shall log, unless the file says so; what is older than a week is removed."""
    logging_config = config.setdefault("logging_config", {})
    default = _settings().data_dir.expanduser().absolute() / "logs"
    folder = Path(str(logging_config.setdefault("logs_dir", str(default))))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.log*"):
        if time.time() - old.stat().st_mtime > LOGS_KEPT_S:
            old.unlink(missing_ok=True)
    return folder


def _check_port(port: int) -> None:
    if not 0 < port < 2**16:
        raise Failure(f"a port is a number from 1 to {2**16 - 1}, not {port}")


def _check_address(host: str, port: int) -> None:
    if host not in LOOPBACK and _settings().keys_file is None:
        raise Failure(
            f"refusing to bind {host} without API keys: create one with `orrery keys add --file "
            "keys.json --owner NAME` and set ORRERY_KEYS_FILE, or leave --host out"
        )
    holder = holder_of(host, port)
    if holder is not None:
        raise Failure(
            f"port {port} is taken by {holder}; choose another: `orrery serve --port {port + 1}` "
            f"or `make serve PORT={port + 1}`"
        )
