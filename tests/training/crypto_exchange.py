"""A loopback server that behaves as exchanges and CoinGecko do, faults included."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NOW_S = 1_780_000_000.0  # 2026-05-28 20:26:40 UTC
HOUR_MS = 3_600_000
STEPS_MS = {"1h": HOUR_MS, "1d": 24 * HOUR_MS, "60": HOUR_MS, "1440": 24 * HOUR_MS}
IDS = {"XXBTZUSD": "BTC", "SOLUSD": "SOL"}


def close_at(symbol: str, open_ms: int) -> float:
    """A price that depends on nothing but the coin and the hour."""
    wave = (open_ms // HOUR_MS * 7919 + len(symbol)) % 1000
    return 100.0 + wave / 100


def bar(symbol: str, open_ms: int, step_ms: int) -> list[float]:
    first, last = close_at(symbol, open_ms - step_ms), close_at(symbol, open_ms)
    return [open_ms, first, max(first, last) + 0.5, min(first, last) - 0.5, last, 12.0]


@dataclass
class Exchange:
    """How the server behaves now; tests change it.

    Attributes:
        now_s: Its clock.
        listed: Coins it has.
        status: What it answers instead of candles.
        headers: With that status.
        delay_s: Before every answer.
        gap: Openings it does not have.
        repeat: Whether the last bar comes twice.
        micro: Whether stamps are microseconds.
        delisted_after_ms: Last opening of every coin.
        asked: Paths with their queries.
    """

    now_s: float = NOW_S
    listed: set[str] = field(default_factory=lambda: {"BTC", "ETH", "SOL"})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    gap: set[int] = field(default_factory=set)
    repeat: bool = False
    micro: bool = False
    delisted_after_ms: float = float("inf")
    body: str | None = None
    asked: list[str] = field(default_factory=list)

    def bars(self, symbol: str, interval: str, start_ms: int, limit: int) -> list[list[float]]:
        """Klines from a time on, the bar that is still forming included."""
        step = STEPS_MS[interval]
        first = -(-start_ms // step) * step
        opens = range(first, int(1000 * self.now_s) + 1, step)
        there = [at for at in opens if at not in self.gap and at <= self.delisted_after_ms]
        rows = [bar(symbol, at, step) for at in there[:limit]]
        if self.repeat and rows:
            rows.append([*rows[-1][:4], rows[-1][4] + 0.25, 99.0])
        if self.micro:
            rows = [[row[0] * 1000, *row[1:]] for row in rows]
        return rows

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Status and body."""
        if self.status != 200:
            return self.status, self.fault()
        if path.endswith("/klines"):
            return self.klines(query)
        if path.endswith("/OHLC"):
            return self.kraken(query)
        if path.endswith("/market_chart"):
            return self.coingecko(path.split("/")[-2], query)
        return 404, {"error": "no such path"}

    def fault(self) -> Any:
        if self.status == 451:
            said = "Service unavailable from a restricted location according to 'b. Eligibility'"
            return {"code": 0, "msg": said}
        if self.status in (418, 429):
            return {"code": -1003, "msg": "Too much request weight used; IP banned until 1"}
        return {"code": -1000, "msg": "An unknown error occurred"}

    def klines(self, query: dict[str, str]) -> tuple[int, Any]:
        symbol = query["symbol"].removesuffix("USDT")
        if symbol not in self.listed:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        limit = min(1000, int(query.get("limit", 500)))
        rows = self.bars(symbol, query["interval"], int(query["startTime"]), limit)
        step = STEPS_MS[query["interval"]]
        tail = ["0", 1, "0", "0", "0"]
        return 200, [[int(r[0]), *map(str, r[1:]), int(r[0]) + step - 1, *tail] for r in rows]

    def kraken(self, query: dict[str, str]) -> tuple[int, Any]:
        symbol = IDS.get(query["pair"])
        if symbol not in self.listed:
            return 200, {"error": ["EQuery:Unknown asset pair"]}
        step = STEPS_MS[query["interval"]]
        start = max(1000 * int(query.get("since", 0)), int(1000 * self.now_s) - 719 * step)
        rows = self.bars(symbol, query["interval"], start, 720)
        said = [[int(r[0]) // 1000, *map(str, r[1:5]), "0", str(r[5]), 3] for r in rows]
        return 200, {"error": [], "result": {query["pair"]: said, "last": 1}}

    def coingecko(self, coin_id: str, query: dict[str, str]) -> tuple[int, Any]:
        if coin_id != "bitcoin":
            return 404, {"error": "coin not found"}
        step = 24 * HOUR_MS if query.get("interval") == "daily" else HOUR_MS
        now = int(1000 * self.now_s)
        first = (now - int(query["days"]) * 24 * HOUR_MS) // step * step
        ends = [at for at in range(first, now + 1, step) if at not in self.gap]
        # Prices are taken some seconds after the hour, and one more now.
        prices = [[at + 41_000, close_at("BTC", at - step)] for at in ends if at + 41_000 <= now]
        return 200, {"prices": [*prices, [now, 1.0]], "total_volumes": []}


@contextmanager
def serving(exchange: Exchange) -> Iterator[str]:
    """Its address while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(exchange))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(exchange: Exchange) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            exchange.asked.append(self.path)
            if exchange.delay_s:
                time.sleep(exchange.delay_s)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, content = exchange.answer(parts.path, query)
            body = (exchange.body or json.dumps(content)).encode()
            try:
                self.send_response_only(status)
                self.send_header("Date", formatdate(exchange.now_s, usegmt=True))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in exchange.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
