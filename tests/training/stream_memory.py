"""Takes in numbered flows and windows of trades, and says after each how many are accepted."""

import sys
from pathlib import Path
from typing import Any

from models.fraud.flow_schema import NetworkFlow
from models.fraud.flow_state import FlowState
from models.fraud.market_judge import MarketJudge
from models.fraud.market_schema import MarketTrades
from models.fraud.market_state import MarketState
from models.fraud.outcomes import IncidentCosts
from models.fraud.rules import RuleTable

START_S = 1_767_225_600
FLOWS = 10
"""In a request, with one window of trades after it."""


def flow(number: int) -> NetworkFlow:
    row = {
        "ts": START_S + 0.1 * number,
        "id.orig_h": f"10.0.0.{number % 5}",
        "id.orig_p": 5000 + number % 7,
        "id.resp_h": f"203.0.1.{number % 9}",
        "id.resp_p": 80 + number % 3,
        "proto": "tcp",
        "conn_state": ("SF", "S0", "REJ")[number % 3],
    }
    return NetworkFlow.model_validate(
        {"kind": "network_flow", "event_id": f"f{number}", "zeek": row}
    )


def window(number: int) -> MarketTrades:
    trades: list[dict[str, Any]] = [
        {
            "at_ms": 1000 * (START_S + 40 * number) + 3000 * n,
            "price": 1 + (number + n) % 11 / 100,
            "amount": 1.0 + (number * n) % 5,
            "taker_buy": n % 3 > 0,
        }
        for n in range(13)
    ]
    given = {"kind": "market_trades", "event_id": f"w{number}", "symbol": "X", "trades": trades}
    return MarketTrades.model_validate(given)


def judge_of(state: MarketState) -> MarketJudge:
    return MarketJudge(None, RuleTable(), IncidentCosts(), state)


if __name__ == "__main__":
    folder, requests = Path(sys.argv[1]), int(sys.argv[2])
    flows = FlowState(folder / "flows.sqlite")
    markets = judge_of(MarketState(folder / "markets.sqlite", lambda: START_S))
    for request in range(requests):
        start = request * FLOWS
        flows.take([flow(number) for number in range(start, start + FLOWS)], "local")
        markets.judge(window(request), "local")
        sys.stdout.write(f"{request + 1}\n")
        sys.stdout.flush()
