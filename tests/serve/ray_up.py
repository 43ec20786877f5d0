"""`ray up` of the on-premises file against the host that `ray_up.sh` makes, and what became of it.

Prints one line of JSON. The file is as checked in, but for the key, no further machines, and the
packages, which are taken from an environment that exists.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 400.0


def cluster(folder: Path, venv: Path) -> Path:
    """The file to bring up."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "clusters/on-premises.yaml").read_text())
    document["max_workers"] = 0
    document["provider"]["worker_ips"] = []
    document["auth"]["ssh_private_key"] = str(folder / "key")
    document["setup_commands"][0] = f"ln -sfn {venv} ~/venv"
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def overlay(folder: Path) -> Path:
    """The configuration of the application, as a cluster deploys it."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    document["applications"][0]["runtime_env"] = {"working_dir": "local:///home/ubuntu/app"}
    document["applications"][0]["args"]["accelerator"] = "cpu"  # none of its GPUs ever joins here
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def rays() -> int:
    """Processes of Ray in this namespace."""
    return sum(
        process.name() in {"raylet", "gcs_server"} and process.status() != psutil.STATUS_ZOMBIE
        for process in psutil.process_iter()
    )


def main(folder: Path, venv: Path) -> None:
    path = cluster(folder, venv)
    ray = str(venv / "bin/ray")

    def run(name: str, *command: str) -> str:
        with (folder / f"{name}.log").open("w") as log:
            subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=True)
        return (folder / f"{name}.log").read_text()

    started = time.monotonic()
    run("up", ray, "up", "--yes", "--no-config-cache", str(path))
    up_s = time.monotonic() - started
    during = rays()
    run("copy", ray, "rsync-up", str(path), str(overlay(folder)), "/home/ubuntu/serve.yaml")
    on_head = "cd ~/app && RAY_AUTH_MODE=token ~/venv/bin/serve"
    run("deploy", ray, "exec", str(path), f"{on_head} deploy ~/serve.yaml")
    status = ""
    while "status: RUNNING" not in status and time.monotonic() - started < LIMIT_S:
        time.sleep(3)
        status = run("status", ray, "exec", str(path), f"{on_head} status --name orrery")
    running_s = time.monotonic() - started
    run("down", ray, "down", "--yes", str(path))
    figures = {"during": during, "after": rays(), "running": "status: RUNNING" in status}
    print(json.dumps({**figures, "up_s": round(up_s, 1), "running_s": round(running_s, 1)}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
