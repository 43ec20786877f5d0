"""Our policy and Serve's own, live on one seeded trace with a step up and down, and simulated.

`orrery serve` runs with a capability that sleeps. Times are a fifth of those of a fleet that draws
pictures: the work of a request, Serve's delays, the interval at which metrics are pushed and the
promise (latency at most twice the work and 10 s); start-up is what this machine takes. Requests
arrive on their own clock. The same trace is then simulated with the start-up, hand-over and stopping
times that were measured live. Run: `python -m benchmarks.scaling_live`.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from ray.serve.config import AutoscalingConfig

from benchmarks.machine import report
from deployments.serve_default import ServeDefault
from models.scaling.loads import LoadTimes
from models.scaling.policies import InHand
from models.scaling.simulate import SLO_FACTOR, SLO_S, Policy, World, simulate
from models.scaling.snapshot import Terms
from models.scaling.trace import Floats, Trace

ROOT = Path(__file__).resolve().parents[1]
NAP = "/api/v1/nap"
POLICIES = ("ours", "serve")
SCALE = 5.0
SEED = 0
PARTS = ((40.0, 0.3), (100.0, 2.0), (90.0, 0.3))  # seconds, requests per second
MEDIAN_S, SPREAD = 10.0 / SCALE, 0.35  # of the work, log-normal
MAX_REPLICAS = 8
PUSH_S = 10.0 / SCALE
SERVE: Mapping[str, float] = {
    "look_back_period_s": 30.0 / SCALE,
    "upscale_delay_s": 30.0 / SCALE,
    "downscale_delay_s": 600.0 / SCALE,
    "target_ongoing_requests": 2,  # Serve's own
}
OURS = {"headroom": 0.5, "slack": 0.25, "hold_s": 120.0 / SCALE, "drain_s": 60.0 / SCALE}
# A client sends the token only where it is told to; the service is on loopback, and asks for it.
CLIENT = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
SETTLE_LIMIT_S = 2 * SERVE["downscale_delay_s"]
WINDOW_S, KEPT = 20.0, 0.95
START_LIMIT_S = 240.0


@dataclass
class Seen:
    """One policy on the trace, live or simulated.

    Attributes:
        latency_s: Of each request.
        replica_s: Of all replicas, from asking to the end of the trace.
        changes: Times that their number changed.
        startup_s: Mean, where it was measured.
        stop_s: The same, for an idle replica to go.
        handover_s: Between an answer and the start of the next waiting request.
    """

    latency_s: Floats
    replica_s: float
    changes: int
    startup_s: float = 0.0
    stop_s: float = 0.0
    handover_s: float = 0.0

    def figures(self, trace: Trace, name: str) -> dict[str, float]:
        """What is reported of it."""
        wait_s = self.latency_s - trace.service_s
        return {
            f"{name}_s_from_step_to_slo": round(until_served(trace, self.latency_s), 1),
            f"{name}_p95_wait_s": round(float(np.percentile(wait_s, 95)), 2),
            f"{name}_slo": round(1 - float(np.mean(missed(trace, self.latency_s))), 3),
            f"{name}_replica_s": round(self.replica_s),
            f"{name}_changes": self.changes,
        }


def main() -> None:
    """Run both live, one after the other, simulate both, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--policy", choices=POLICIES, action="append", help="both if absent")
    options = parser.parse_args()
    started = time.monotonic()
    trace = draw(np.random.default_rng(options.seed))
    found: dict[str, Any] = {"n": len(trace)}
    for name in options.policy or POLICIES:
        live = asyncio.run(_live(trace, name))
        simulated = replay(trace, name, live)
        found |= live.figures(trace, name)
        found |= {
            f"{name}_startup_s": round(live.startup_s, 2),
            f"{name}_stop_s": round(live.stop_s, 2),
            f"{name}_handover_s": round(live.handover_s, 3),
        }
        found |= simulated.figures(trace, f"{name}_simulated")
        prefix = "" if name == "ours" else f"{name}_"
        waits = (f"{name}_p95_wait_s", f"{name}_simulated_p95_wait_s")
        times = (f"{name}_replica_s", f"{name}_simulated_replica_s")
        found[f"{prefix}live_p95_wait_over_simulated"] = _ratio(found, waits)
        found[f"{prefix}live_replica_seconds_over_simulated"] = _ratio(found, times)
        print(name, json.dumps(found), file=sys.stderr, flush=True)
    report({**found, "seconds": round(time.monotonic() - started, 1)})


def _ratio(found: Mapping[str, float], keys: tuple[str, str]) -> float:
    return round(found[keys[0]] / found[keys[1]], 3)


def draw(rng: np.random.Generator) -> Trace:
    """Poisson arrivals at the rates of `PARTS`."""
    arrivals, start_s = [], 0.0
    for seconds, rate in PARTS:
        count = rng.poisson(rate * seconds)
        arrivals.append(start_s + np.sort(rng.uniform(0, seconds, count)))
        start_s += seconds
    arrival_s = np.concatenate(arrivals)
    count = len(arrival_s)
    return Trace(
        arrival_s,
        rng.lognormal(np.log(MEDIAN_S), SPREAD, count),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
    )


def missed(trace: Trace, latency_s: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Requests that took more than twice their work and the scaled allowance."""
    late: np.ndarray[Any, np.dtype[np.bool_]] = (
        latency_s > SLO_FACTOR * trace.service_s + SLO_S / SCALE
    )
    return late


def until_served(trace: Trace, latency_s: Floats) -> float:
    """Seconds from the step up until 95 % of those who come in the next 20 s are served in time."""
    step_s, late = PARTS[0][0], missed(trace, latency_s)
    ends_s = step_s + PARTS[1][0] - WINDOW_S
    for at_s in np.arange(step_s, ends_s, 0.5):
        inside = (trace.arrival_s >= at_s) & (trace.arrival_s < at_s + WINDOW_S)
        if inside.any() and late[inside].mean() <= 1 - KEPT:
            return float(at_s - step_s)
    return float("inf")


def replay(trace: Trace, name: str, live: Seen) -> Seen:
    """The same trace, terms and measured times, simulated."""
    policy: Policy = InHand(Terms(1, MAX_REPLICAS, **OURS))  # type: ignore[arg-type]
    if name == "serve":
        policy = ServeDefault(AutoscalingConfig(min_replicas=1, max_replicas=MAX_REPLICAS, **SERVE))
    nothing = LoadTimes((0.0,), (0.0,), (0.0,))
    world = World(
        nothing,
        startup_s=live.startup_s,
        max_replicas=MAX_REPLICAS,
        tick_s=PUSH_S,
        look_back_s=SERVE["look_back_period_s"],
        handover_s=live.handover_s,
        stop_s=live.stop_s,
        warm=True,
    )
    outcome = simulate(trace, policy, world)
    after_s = _span_s() - outcome.span_s  # of the last request
    replica_s = 3600 * outcome.gpu_hours + outcome.timeline[-1][1] * after_s
    return Seen(outcome.latency_s, replica_s, outcome.changes)


def _span_s() -> float:
    return sum(seconds for seconds, _ in PARTS)


async def _live(trace: Trace, name: str) -> Seen:
    # A short name: Ray's socket paths below it may have at most 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="b-") as folder,
        _serving(Path(folder), name) as url,
        _watching(Path(folder)) as samples,
    ):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
            handover_s = await _handover_s(client)
            await _settle(samples)
            start_s = time.monotonic()
            latencies = await asyncio.gather(
                *(
                    _ask(client, start_s + at_s, service_s)
                    for at_s, service_s in zip(trace.arrival_s, trace.service_s, strict=True)
                )
            )
            await asyncio.sleep(max(start_s + _span_s() - time.monotonic(), 0))
            told = await _history(client)
    for reason in told:
        print(" ", reason, file=sys.stderr)
    return read_fleet(samples, start_s, np.array(latencies), handover_s)


async def _ask(client: httpx.AsyncClient, at_s: float, seconds: float) -> float:
    """Send at a time; seconds until the answer."""
    await asyncio.sleep(max(at_s - time.monotonic(), 0))
    answer = await client.post(NAP, json={"seconds": seconds})
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"answered {answer.status_code}: {answer.text}")
    return time.monotonic() - at_s


async def _handover_s(client: httpx.AsyncClient, rounds: int = 4, nap_s: float = 0.5) -> float:
    """What a waiting request loses between the answer before it and its own start.

    Two at a time, with pauses: neither policy should grow for them.
    """
    gaps = []
    for _ in range(rounds):
        now_s = time.monotonic()
        first, second = sorted(await asyncio.gather(*(_ask(client, now_s, nap_s) for _ in "ab")))
        gaps.append(second - first - nap_s)
        await asyncio.sleep(SERVE["look_back_period_s"])
    return max(float(np.mean(gaps)), 0.0)


async def _settle(samples: list[tuple[float, int, int]]) -> None:
    """Wait until one replica is left, which both policies begin with."""
    end_s = time.monotonic() + SETTLE_LIMIT_S
    while not samples or samples[-1][1:] != (1, 1):
        if time.monotonic() > end_s:
            raise SystemExit(f"the fleet does not settle at one replica: {samples[-3:]}")
        await asyncio.sleep(0.5)
    await asyncio.sleep(SERVE["look_back_period_s"])


async def _history(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/api/v1/autoscaler/history")
    if answer.status_code != httpx.codes.OK:
        return []
    return [d["deployments"]["nap"]["reason"] for d in answer.json()["decisions"]]


def read_fleet(
    samples: list[tuple[float, int, int]], start_s: float, latency_s: Floats, handover_s: float
) -> Seen:
    """What the changes of the fleet add up to: time, replicas that exist, those that run."""
    end_s = start_s + _span_s()
    before = [sample for sample in samples if sample[0] <= start_s]
    inside = [sample for sample in samples if start_s < sample[0] <= end_s]
    line = [(start_s, *before[-1][1:]), *inside, (end_s, *[*before, *inside][-1][1:])]
    at_s, alive, running = (np.array(column) for column in zip(*line, strict=True))
    steps = " ".join(f"{at - start_s:.0f}s:{ready}/{count}" for at, count, ready in line)
    print(" running/all", steps, file=sys.stderr)
    return Seen(
        latency_s,
        replica_s=float(np.sum(alive[:-1] * np.diff(at_s))),
        changes=int(np.count_nonzero(np.diff(alive))),
        startup_s=_mean_gap(_steps(at_s, alive, 1), _steps(at_s, running, 1)),
        stop_s=_mean_gap(_steps(at_s, running, -1), _steps(at_s, alive, -1)),
        handover_s=handover_s,
    )


def _steps(at_s: Floats, count: np.ndarray[Any, Any], sign: int) -> list[float]:
    """The time of each replica more, or less."""
    rises = np.maximum(sign * np.diff(count), 0)
    return [float(t) for t, n in zip(at_s[1:], rises, strict=True) for _ in range(int(n))]


def _mean_gap(first: list[float], then: list[float]) -> float:
    gaps = [after - before for before, after in zip(first, then, strict=False)]
    return max(float(np.mean(gaps)), 0.0) if gaps else 0.0


@contextmanager
def _watching(folder: Path) -> Iterator[list[tuple[float, int, int]]]:
    """Samples of the fleet, which grow while it is watched."""
    (port,) = folder.glob("orrery-*/ray/session_latest/gcs_server_port_*")
    address = f"127.0.0.1:{port.read_text().strip()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scaling_watch", address, "nap"],
        cwd=ROOT,
        env={**os.environ, **CLIENT, "RAY_TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    samples: list[tuple[float, int, int]] = []
    reader = threading.Thread(target=_read, args=(process, samples), daemon=True)
    reader.start()
    try:
        yield samples
    finally:
        process.kill()
        process.wait()
        reader.join()


def _read(process: "subprocess.Popen[str]", samples: list[tuple[float, int, int]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        at_s, alive, running = line.split()
        samples.append((float(at_s), int(alive), int(running)))


@contextmanager
def _serving(folder: Path, name: str) -> Iterator[str]:
    port = {"ours": 8721, "serve": 8722}[name]
    config = folder / "serve_config.yaml"
    config.write_text(yaml.safe_dump(_configuration(name)))
    environment = {
        "ORRERY_DATA_DIR": str(folder / "data"),
        "TMPDIR": str(folder),
        "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": str(PUSH_S),
        "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": str(PUSH_S),
    }
    command = [sys.executable, "-m", "graphs.cli", "serve", "--config", str(config)]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=sys.stderr,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _configuration(name: str) -> dict[str, Any]:
    """What is checked in, with the nap as its one capability."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = document["applications"][0]
    application["import_path"] = "benchmarks.scaling_app:build"
    application["args"]["resources"]["nap"] = {"num_cpus": 0.05}
    own = [d for d in application["deployments"] if d["name"] in {"gateway", "orchestrator"}]
    bounds: dict[str, float] = {"min_replicas": 1, "max_replicas": MAX_REPLICAS, **SERVE}
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
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/ready", timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.5)
    raise SystemExit("the service did not start")


if __name__ == "__main__":
    main()
