"""A cluster without GPUs: a node with one joins for the probe, serves, and leaves when idle.

Run as a process of its own: `python -m tests.serve.gpu_node FOLDER PORT`; prints one line of JSON.
Everything is Ray's own but the GPU, which is a number that a node of Ray's fake provider claims.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import serve

from graphs.settings import Settings
from tests.probe import ProbeRequest
from tests.serve.probe_app import build

HEAD_ID = "f" * 51 + "00000"  # the provider counts up from it
HEAD_TYPE = "ray.head.default"  # the one that the provider knows
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
UNUSED_LISTS = (
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "initialization_commands",
    "cluster_synced_files",
    "rsync_exclude",
    "rsync_filter",
)
IDLE_S = 5.0


def cluster(address: str) -> dict[str, Any]:
    """One head, and a GPU node type that starts at zero."""
    provider = {"type": "external", "module": PROVIDER, "gcs_address": address}
    gpu = {"CPU": 2, "GPU": 1, "object_store_memory": 80_000_000}
    return {
        **{name: [] for name in UNUSED_LISTS},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        "auth": {},
        "cluster_name": "test",
        "max_workers": 1,
        "idle_timeout_minutes": IDLE_S / 60,
        "upscaling_speed": 1.0,
        "provider": {**provider, "launch_multiple": True, "head_node_id": HEAD_ID},
        "head_node_type": HEAD_TYPE,
        "available_node_types": {
            HEAD_TYPE: {"resources": {"CPU": 2}, "node_config": {}, "max_workers": 0},
            "gpu": {"resources": gpu, "node_config": {}, "min_workers": 0, "max_workers": 1},
        },
    }


def start_head(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Ray's head on loopback; the caller ends its session."""
    address = f"127.0.0.1:{port}"
    config = folder / "cluster.json"
    config.write_text(json.dumps(cluster(address)))
    command = [
        str(Path(sys.executable).parent / "ray"),
        *("start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"),
        *(f"--temp-dir={folder / 't'}", "--num-cpus=2", "--num-gpus=0"),
        *("--object-store-memory=100000000", "--include-dashboard=false"),
        *(f"--ray-client-server-port={port + 1}", f"--autoscaling-config={config}"),
        "--disable-usage-stats",
    ]
    log = folder / "head.log"
    with log.open("w") as out:
        head = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    wait(lambda: "Ray runtime started" in log.read_text(), 60)
    return head


def wait(condition: Callable[[], bool], limit_s: float) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > limit_s:
            raise TimeoutError
        time.sleep(0.2)
    return time.monotonic() - started


def gpus() -> float:
    return sum(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])


def main(folder: Path, port: int) -> None:
    head = start_head(folder, port)
    try:
        ray.init(address=f"127.0.0.1:{port}", log_to_driver=False)
        before = gpus()
        settings = Settings(
            accelerator="gpu",
            data_dir=folder / "data",
            resources={"probe": {"num_cpus": 0.1, "num_gpus": 0.25}},  # type: ignore[dict-item]
        )
        serve.start(proxy_location="Disabled")
        started = time.monotonic()
        serve.run(build(settings), name="orrery", route_prefix=None)
        handle: Any = serve.get_deployment_handle("probe", "orrery")
        handle.run.remote(ProbeRequest(), "tester", "1").result(timeout_s=60)
        answered_s = time.monotonic() - started
        report = handle.report.remote().result(timeout_s=60)
        during = gpus()
        serve.delete("orrery")
        gone_s = wait(lambda: gpus() == 0, 90)
        figures = {"before": before, "during": during, "share": report.num_gpus}
        print(json.dumps({**figures, "answered_s": answered_s, "gone_s": gone_s}), flush=True)  # noqa: T201 - read by the test
        ray.shutdown()
    finally:
        head.kill()  # the caller ends the rest of the session
        head.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
