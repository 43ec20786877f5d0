"""Time of one payment's score with its reasons, beside XGBoost's own calls, and of whole requests.

In process and on one thread: packed trees with reasons, `Booster.inplace_predict`, and Shapley
values by `pred_contribs`, each over the same rows in turn. Then requests through the capability,
state included, one by one and in batches; and over HTTP of a running service (`--port`) or of one
that is started for it with the fraud capability alone (`--proxies`): first a month of payments
in batches (`http_rows_per_s`), then single ones at a fixed rate, then single ones at a quarter of it
while a batch of 4,000 is judged (`beside_batch_*`). The client shares the cores with it.
`*_cpu_ms` is what a request costs in each layer, the client being `client`, beside what the service
uses without any (`idle_cpu_share`, of one core).

Run: `python -m benchmarks.fraud_serving [--port 8000] [--proxies default haproxy] [--rate 200]`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import xgboost
import yaml

from benchmarks.gateway import HAPROXY, ROOT, _running
from benchmarks.machine import report
from benchmarks.open_load import LEAD_S, Client, cpu_s
from models.core.capability import Run, Setup
from models.core.local_store import LocalArtifactStore
from models.core.weights import load_json
from models.fraud.boosted import booster_of
from models.fraud.generator import Labelled, Town, generate
from models.fraud.model import FraudModel
from models.fraud.reasons import reasons_of
from models.fraud.schema import FraudRequest
from models.fraud.scoring import FILE, WEIGHTS, TransactionModel
from models.fraud.stream import streamed_features

PORTS = {"default": 8723, "haproxy": 8724}
ROUTE = "/api/v1/fraud/analyze"
WARM_REQUESTS = 200
BATCH_ROWS = 4_000
LAST_ROWS = BATCH_ROWS + 100
IDLE_S = 4.0
BUSY_TOWN = Town(
    customers=600,
    terminals=600,
    days=30,
    stolen_per_day=0.4,
    cloned_per_day=0.1,
    testing_per_day=0.05,
    takeovers_per_day=0.3,
)
"""One payment in a hundred is a fraud; exact reasons cost more than fast ones."""
Rows = npt.NDArray[np.float32]
Figures = dict[str, float]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="of a running service, to measure over HTTP too")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second over HTTP")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load over HTTP")
    parser.add_argument("--proxies", nargs="*", default=[], choices=tuple(PORTS))
    options = parser.parse_args()
    started = time.monotonic()
    town = generate(Town(customers=300, terminals=150, days=70), 11)
    rows = streamed_features((payment, bool(scenario)) for payment, scenario in town)
    figures = _in_process(rows[-4000:])
    print(figures, file=sys.stderr)
    figures |= _capability(town)
    if options.port:
        figures |= asyncio.run(_over_http(options.port, options.rate, options.seconds, None))
    for proxy in options.proxies:
        found = _served(proxy, options.rate, options.seconds)
        print(proxy, found, file=sys.stderr)
        figures |= {f"{proxy}_{name}": value for name, value in found.items()}
    rounded = {name: round(value, 2) for name, value in figures.items()}
    report({**rounded, "n": len(rows), "seconds": round(time.monotonic() - started, 1)})


def _in_process(rows: Rows) -> Figures:
    content, sha256 = load_json(WEIGHTS, FILE)
    model, booster = TransactionModel(content, sha256), booster_of(content["model"])

    def score_and_reasons(row: Rows) -> None:
        found = model.score(row)
        reasons_of(row.tolist(), found.contributions.tolist(), "path")

    def score(row: Rows) -> None:
        model.score(row)

    def predict(row: Rows) -> None:
        booster.inplace_predict(row[None], validate_features=False)

    def shapley(row: Rows) -> None:
        booster.predict(xgboost.DMatrix(row[None], nthread=1), pred_contribs=True)

    figures: Figures = {}
    for name, call, count in (
        ("score_and_reasons", score_and_reasons, 4000),
        ("score", score, 4000),
        ("xgboost", predict, 2000),
        ("xgboost_shap", shapley, 500),
    ):
        times_us = _timed(call, rows[:count])
        figures[f"{name}_p50_us"], figures[f"{name}_p99_us"] = np.percentile(times_us, (50, 99))
    return figures


def _timed(call: Callable[[Rows], None], rows: Rows) -> list[float]:
    for row in rows[:50]:
        call(row)
    times_us = []
    for row in rows:
        began = time.perf_counter_ns()
        call(row)
        times_us.append((time.perf_counter_ns() - began) / 1e3)
    return times_us


def _capability(town: Sequence[Labelled]) -> Figures:
    events = [_event(each, number) for number, each in enumerate(town[:12_000])]
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        store = LocalArtifactStore(Path(folder) / "assets", min_free_bytes=0)
        place = Path(folder)
        model = FraudModel(Setup(store=store, device="cpu", cache_dir=place, data_dir=place))
        singles = [FraudRequest.model_validate(event) for event in events[:2000]]
        times_ms = []
        for request in singles:
            began = time.perf_counter_ns()
            model.run(request, Run())
            times_ms.append((time.perf_counter_ns() - began) / 1e6)
        began_s = time.perf_counter()
        model.run(FraudRequest.model_validate({"events": events[2000:]}), Run())
        batch_s = time.perf_counter() - began_s
        model.close()
    p50, p99 = np.percentile(times_ms, (50, 99))
    rows_per_s = (len(events) - 2000) / batch_s
    return {"request_p50_ms": p50, "request_p99_ms": p99, "rows_per_s": rows_per_s}


def _event(labelled: Labelled, number: int) -> dict[str, Any]:
    payment = labelled.payment
    return {
        "kind": "transaction",
        "event_id": f"bench-{time.time_ns()}-{number}",
        "at": datetime.fromtimestamp(payment.at_s, UTC).isoformat(),
        "customer_id": payment.customer,
        "terminal_id": payment.terminal,
        "amount": payment.cents / 100,
        "device_id": payment.device or None,
        "country": payment.country or None,
    }


def _served(proxy: str, rate: float, seconds: float) -> Figures:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["import_path"] = "benchmarks.fraud_app:build"
    kept = ("gateway", "orchestrator", "fraud")
    application["deployments"] = [d for d in application["deployments"] if d["name"] in kept]
    application.pop("autoscaling_policy", None)
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        path, port = Path(folder) / "serve.yaml", PORTS[proxy]
        path.write_text(yaml.safe_dump(config))
        variables = {"ORRERY_DATA_DIR": folder, "RAY_worker_niceness": "0"}
        environment = {**os.environ, **variables, **(HAPROXY if proxy == "haproxy" else {})}
        command = [sys.executable, "-m", "graphs.cli", "serve", "--config", str(path)]
        with _running([*command, "--port", str(port)], environment, port) as process:
            return asyncio.run(_over_http(port, rate, seconds, process))


async def _over_http(
    port: int, rate: float, seconds: float, server: psutil.Process | None
) -> Figures:
    town = generate(BUSY_TOWN, 12)
    events = [_event(each, number) for number, each in enumerate(town)]
    count = int(rate * seconds)
    events, last = events[:-LAST_ROWS], events[-LAST_ROWS:]
    past, singles = events[: -count - WARM_REQUESTS], events[-count - WARM_REQUESTS :]
    client = Client("127.0.0.1", port, ROUTE)
    batch_began_s = time.perf_counter()
    for start in range(0, len(past), BATCH_ROWS):
        await client.post(json.dumps({"events": past[start : start + BATCH_ROWS]}).encode())
    batch_s = time.perf_counter() - batch_began_s
    bodies = [json.dumps(event).encode() for event in singles]
    await client.latencies_s(bodies[:WARM_REQUESTS], rate / 4)  # connections open, code warm
    idle = _cpu(server)
    await asyncio.sleep(IDLE_S)
    before, began_s = _cpu(server), time.perf_counter()
    times_ms = [1e3 * each for each in await client.latencies_s(bodies[WARM_REQUESTS:], rate)]
    used, elapsed_s = _cpu(server), time.perf_counter() - began_s
    beside_ms = await _beside_batch(client, last, rate / 4)
    client.close()
    p50, p99 = np.percentile(times_ms, (50, 99))
    shares = {layer: (before[layer] - idle[layer]) / IDLE_S for layer in used}
    spent_s = {layer: used[layer] - before[layer] - shares[layer] * elapsed_s for layer in used}
    return {
        "http_p50_ms": p50,
        "http_p99_ms": p99,
        "http_requests_per_s": rate,
        "beside_batch_p50_ms": float(np.median(beside_ms)),
        "beside_batch_max_ms": max(beside_ms),
        "http_rows_per_s": len(past) / batch_s,
        "idle_cpu_share": sum(shares.values()),
        **{f"{layer}_cpu_ms": 1e3 * each / count for layer, each in spent_s.items()},
    }


async def _beside_batch(client: Client, events: list[dict[str, Any]], rate: float) -> list[float]:
    """Latencies of single events that were sent while a batch was judged."""
    body = json.dumps({"events": events[:BATCH_ROWS]}).encode()
    bodies = [json.dumps(event).encode() for event in events[BATCH_ROWS:]]
    began_s = time.perf_counter() + LEAD_S
    batch = asyncio.create_task(client.post(body))
    ended = asyncio.create_task(_when(batch))
    times_s = await client.latencies_s(bodies, rate)
    sent = int((await ended - began_s) * rate)
    return [1e3 * each for each in times_s[: max(1, min(sent, len(times_s)))]]


async def _when(task: "asyncio.Task[bytes]") -> float:
    await task
    return time.perf_counter()


def _cpu(server: psutil.Process | None) -> defaultdict[str, float]:
    """CPU seconds so far by layer."""
    layers = defaultdict(float) if server is None else cpu_s(server)
    layers["client"] = time.process_time()
    return layers


if __name__ == "__main__":
    main()
