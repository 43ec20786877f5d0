"""What it costs a payment, a flow or a window of trades that its memory is on record.

The same requests are judged one by one, by the shipped models: with the record in a file, as the
service keeps it, in memory, and in a PostgreSQL database if one is given, which gets tables
`orrery_fraud.*` and events of an owner of their own. Times are wall-clock medians and 99th
percentiles in one thread; `cpu` is CPU time of this process, writing the log back into the file
included. `batch` is payments a second in requests of a hundred.

Run: `python -m benchmarks.fraud_memory [--requests 2000] [--postgres URL]`.
"""

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.machine import report
from models.fraud.costs import CostPolicy
from models.fraud.flow_judge import FlowJudge
from models.fraud.flow_schema import NetworkFlow
from models.fraud.flow_scoring import FlowModel
from models.fraud.flow_state import FlowState
from models.fraud.market_judge import MarketJudge
from models.fraud.market_schema import MarketTrades
from models.fraud.market_scoring import MarketModel
from models.fraud.market_state import MarketState
from models.fraud.outcomes import IncidentCosts
from models.fraud.payment_desk import PaymentDesk
from models.fraud.payment_judge import PaymentJudge
from models.fraud.postgres import Postgres
from models.fraud.record import Place
from models.fraud.rules import RuleTable
from models.fraud.schema import Transaction
from models.fraud.scoring import TransactionModel
from models.fraud.shelf import Files

START_S = 1_767_225_600
BATCH = 100
RUN = secrets.token_hex(4)
OWNER = f"benchmark {RUN}"
RequestT = TypeVar("RequestT")
Figures = dict[str, float]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--postgres", metavar="URL", help="postgresql://…, for comparison")
    given = parser.parse_args()
    requests: int = given.requests
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        places: list[tuple[str, Place]] = [("file", Path(folder)), ("memory", None)]
        if given.postgres:
            places.append(("postgres", Postgres(given.postgres)))
        for record, place in places:
            figures |= _payments(record, _within(place, "payments"), requests)
            figures |= _flows(record, _within(place, "flows"), Path(folder) / "sites", requests)
            figures |= _windows(record, _within(place, "markets"), requests)
    report({**{name: round(value, 1) for name, value in figures.items()}, "n": requests})


def _within(place: Place, name: str) -> Place:
    return place / f"{name}.sqlite" if isinstance(place, Path) else place


def _payments(record: str, place: Place, requests: int) -> Figures:
    judge = PaymentJudge(TransactionModel.load(), RuleTable(), CostPolicy())
    desk = PaymentDesk(judge, place, time.time, sync=False)

    def judged(payment: Transaction) -> None:
        desk.answer([payment], OWNER)

    figures = _timed(f"payment_{record}", judged, [_payment(n) for n in range(requests)])
    many = [[_payment(requests + BATCH * n + k) for k in range(BATCH)] for n in range(20)]
    began = time.perf_counter()
    for batch in many:
        desk.answer(batch, OWNER)
    per_s = BATCH * len(many) / (time.perf_counter() - began)
    desk.close()
    return figures | {f"payment_{record}_batch_per_s": per_s}


def _flows(record: str, place: Place, sites: Path, requests: int) -> Figures:
    state = FlowState(place)
    judge = FlowJudge(FlowModel.load(), RuleTable(), IncidentCosts(), Files(sites), state)

    def judged(flow: NetworkFlow) -> None:
        judge.judge([flow], OWNER)

    figures = _timed(f"flow_{record}", judged, [_flow(n) for n in range(requests)])
    judge.close()
    return figures


def _windows(record: str, place: Place, requests: int) -> Figures:
    state = MarketState(place, lambda: START_S)
    judge = MarketJudge(MarketModel.load(), RuleTable(), IncidentCosts(), state)

    def judged(window: MarketTrades) -> None:
        judge.judge(window, OWNER)

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


def _payment(number: int) -> Transaction:
    event = {
        "kind": "transaction",
        "event_id": f"{RUN}-{number}",
        "at": START_S + 30 * number,
        "customer_id": f"c{number % 500}",
        "terminal_id": f"t{number % 200}",
        "amount": 5 + number * 37 % 200,
    }
    return Transaction.model_validate(event)


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
    event = {"kind": "network_flow", "event_id": f"{RUN}-flow-{number}", "zeek": row}
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
    event = {"kind": "market_trades", "event_id": f"{RUN}-{number}", "symbol": "X"}
    return MarketTrades.model_validate({**event, "trades": trades})


if __name__ == "__main__":
    main()
