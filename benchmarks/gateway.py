"""CPU and latency of a no-op route: bare uvicorn, Serve's default proxy, and HAProxy.

Each server runs alone on the same machine in the same run. The load is closed: a number of
connections, each sending its next request when the last was answered. CPU is that of every process
of the server, without the client. Run: `python -m benchmarks.gateway [--seconds 8]`.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import yaml

from benchmarks.machine import report

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 8
START_LIMIT_S = 180.0
HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
PORTS = {"uvicorn": 8711, "default": 8712, "haproxy": 8713}


def main() -> None:
    """Measure the three one after the other and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of load for each server")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these")
    options = parser.parse_args()
    started = time.monotonic()
    figures: dict[str, object] = {"n": 0}
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        for name, command, environment in _servers(Path(folder)):
            with _running(command, environment, PORTS[name]) as process:
                rounds = [
                    _load(process, PORTS[name], options.seconds) for _ in range(options.rounds)
                ]
            for key in ("cpu_ms_per_request", "p50_ms", "p99_ms", "requests_per_s"):
                figures[f"{name}_{key}"] = round(statistics.median(r[key] for r in rounds), 3)
            figures["n"] = int(figures["n"]) + sum(int(r["n"]) for r in rounds)  # type: ignore[call-overload]
            print(name, {k: v for k, v in figures.items() if k.startswith(name)}, file=sys.stderr)
    report({**figures, "seconds": round(time.monotonic() - started, 1)})


def _servers(folder: Path) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    uvicorn = [sys.executable, "-m", "uvicorn", "benchmarks.noop_app:app", "--no-access-log"]
    yield "uvicorn", [*uvicorn, "--port", str(PORTS["uvicorn"])], {}
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    config["applications"][0]["import_path"] = "benchmarks.gateway_app:build"
    gateway = [d for d in config["applications"][0]["deployments"] if d["name"] == "gateway"]
    config["applications"][0]["deployments"] = gateway
    path = folder / "serve_config.yaml"
    path.write_text(yaml.safe_dump(config))
    serve = [sys.executable, "-m", "graphs.cli", "serve", "--config", str(path), "--port"]
    data = {"ORRERY_DATA_DIR": str(folder), "RAY_worker_niceness": "0"}
    yield "default", [*serve, str(PORTS["default"])], data
    yield "haproxy", [*serve, str(PORTS["haproxy"])], {**data, **HAPROXY}


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], port: int
) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=sys.stderr
    )
    try:
        _wait(port, process)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                time.sleep(3)  # let what starts beside the route finish
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"the server on port {port} did not start")


def _cpu_s(root: psutil.Process) -> dict[int, float]:
    """CPU seconds of each process of a server, by pid."""
    found = {}
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = times.user + times.system
    return found


def _load(server: psutil.Process, port: int, seconds: float) -> dict[str, float]:
    before = _cpu_s(server)
    started = time.monotonic()
    latencies_s = asyncio.run(_requests(port, seconds))
    elapsed_s = time.monotonic() - started
    used_s = sum(after - before.get(pid, 0.0) for pid, after in _cpu_s(server).items())
    ordered = sorted(latencies_s)
    return {
        "n": len(ordered),
        "cpu_ms_per_request": 1e3 * used_s / len(ordered),
        "p50_ms": 1e3 * ordered[len(ordered) // 2],
        "p99_ms": 1e3 * ordered[int(len(ordered) * 0.99)],
        "requests_per_s": len(ordered) / elapsed_s,
    }


async def _requests(port: int, seconds: float) -> list[float]:
    latencies_s: list[float] = []
    end = time.monotonic() + seconds
    await asyncio.gather(*(_connection(port, end, latencies_s) for _ in range(CONNECTIONS)))
    return latencies_s


async def _connection(port: int, end: float, latencies_s: list[float]) -> None:
    """One keep-alive connection; raw, so that the client costs little of the shared cores."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    while (started := time.monotonic()) < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"answered {head.splitlines()[0]!r}")
        await _skip_body(reader, head.lower())
        latencies_s.append(time.monotonic() - started)
    writer.close()


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"content-length:" in head:
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        return
    while (size := int(await reader.readline(), 16)) > 0:
        await reader.readexactly(size + 2)
    await reader.readline()


if __name__ == "__main__":
    main()
