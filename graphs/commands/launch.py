"""`serve run` in a Ray of its own.

Run by `orrery serve` as a process of its own: `python -m graphs.commands.launch CONFIG [PORT]`,
the port being that of Ray's dashboard.
"""

import os
import signal
import sys
import threading
import time

import ray
from ray import serve
from ray.serve.scripts import cli as serve_cli

from graphs.commands.failure import DEPLOY_FAILED

POLL_S = 1.0


def _follow_parent(parent: int) -> None:
    """Stop when `orrery serve` is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGINT)


def _report_failure() -> None:
    """Print why an application could not be deployed; `serve run` itself would wait for ever."""
    while True:
        time.sleep(POLL_S)
        for name, application in serve.status().applications.items():
            if application.status == DEPLOY_FAILED:
                print(f"{DEPLOY_FAILED} {name}: {application.message}", flush=True)  # noqa: T201
                return


def main(config: str, dashboard_port: int | None = None) -> None:
    """Start Ray, then do exactly what `serve run CONFIG` does."""
    # A background shell makes its children ignore the signal by which they are stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()
    ray.init(
        address="local",
        namespace="serve",
        include_dashboard=dashboard_port is not None,
        dashboard_host="127.0.0.1",
        dashboard_port=dashboard_port,
    )
    threading.Thread(target=_report_failure, daemon=True).start()
    serve_cli.main(["run", config], standalone_mode=False)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
