"""What it costs a flow or a window of trades that its memory is on record.

The same requests are judged twice, one by one, by the shipped models: with the record in a file, as
the service keeps it, and in memory. Times are wall-clock medians and 99th percentiles in one thread;
`cpu` is CPU time, writing the log back into the file included.

Run: `python -m benchmarks.fraud_memory [--requests 2000]`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.machine import report
from models.fraud.flow_judge import FlowJudge
from models.fraud.flow_schema import NetworkFlow
from models.fraud.flow_scoring import FlowModel
from models.fraud.flow_state import FlowState
from models.fraud.market_judge import MarketJudge
from models.fraud.market_schema import MarketTrades
from models.fraud.market_scoring import MarketModel
from models.fraud.market_state import MarketState
from models.fraud.outcomes import IncidentCosts
from models.fraud.rules import RuleTable

START_S = 1_767_225_600
RequestT = TypeVar("RequestT")
Figures = dict[str, float]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    requests = parser.parse_args().requests
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        for record, place in (("file", Path(folder)), ("memory", None)):
            figures |= _flows(record, place, Path(folder) / "sites", requests)
            figures |= _windows(record, place, requests)
    report({**{name: round(value, 1) for name, value in figures.items()}, "n": requests})


def _flows(record: str, place: Path | None, sites: Path, requests: int) -> Figures:
    state = FlowState(place and place / "flows.sqlite")
    judge = FlowJudge(FlowModel.load(), RuleTable(), IncidentCosts(), sites, state)

    def judged(flow: NetworkFlow) -> None:
        judge.judge([flow], "local")

    figures = _timed(f"flow_{record}", judged, [_flow(n) for n in range(requests)])
    judge.close()
    return figures


def _windows(record: str, place: Path | None, requests: int) -> Figures:
    state = MarketState(place and place / "markets.sqlite", lambda: START_S)
    judge = MarketJudge(MarketModel.load(), RuleTable(), IncidentCosts(), state)

    def judged(window: MarketTrades) -> None:
        judge.judge(window, "local")

    figures = _timed(f"window_{record}", judged, [_window(n) for n in range(requests)])
    judge.close()
    return figures


def _timed(name: str, judge: Callable[[RequestT], object], requests: Sequence[RequestT]) -> Figures:
    times_us, began_s = [], time.process_time()
    for request in requests:
        began = time.perf_counter_ns()
        judge(request)
        times_us.append((time.perf_counter_ns() - began) / 1e3)
    cpu_us = 1e6 * (time.process_time() - began_s) / len(requests)
    p50, p99 = np.percentile(times_us, (50, 99))
    return {f"{name}_p50_us": float(p50), f"{name}_p99_us": float(p99), f"{name}_cpu_us": cpu_us}


def _flow(number: int) -> NetworkFlow:
    row = {
        "ts": START_S + 0.1 * number,
        "id.orig_h": f"10.0.0.{number % 5}",
        "id.orig_p": 5000 + number % 7,
        "id.resp_h": f"203.0.1.{number % 9}",
        "id.resp_p": 443,
        "proto": "tcp",
        "service": "ssl",
        "duration": 0.5 + number % 4,
        "orig_bytes": 400 + number % 50,
        "resp_bytes": 5000 + number % 900,
        "conn_state": "SF",
    }
    event = {"kind": "network_flow", "event_id": f"flow-{number}", "zeek": row}
    return NetworkFlow.model_validate(event)


def _window(number: int) -> MarketTrades:
    trades: list[dict[str, Any]] = [
        {
            "at_ms": 1000 * (START_S + 40 * number) + 3000 * n,
            "price": 1 + (number + n) % 11 / 100,
            "amount": 1.0 + (number * n) % 5,
            "taker_buy": n % 3 > 0,
        }
        for n in range(13)
    ]
    event = {"kind": "market_trades", "event_id": f"window-{number}", "symbol": "X"}
    return MarketTrades.model_validate({**event, "trades": trades})


if __name__ == "__main__":
    main()
