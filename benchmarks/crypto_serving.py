"""Forecasts per second over HTTP in batches of 256 with warm candles, beside the same model in process.

The candles of 256 invented coins lie in the store as those of an exchange would. Three kinds of
batches: the first after a bar closed, where every coin is fitted (`first`); other questions about
the same bars (`forecasts_per_s`); and the same question again (`cached`). One coin at a time, the
same question is repeated by the gateway (`cached_p95_ms`), or answered by the replica if the caller
wants no repeated answer (`replica_cached_p95_ms`). Two connections send the next batch when the
last was answered. Run: `python -m benchmarks.crypto_serving [--bars 6000]`.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml

from benchmarks.gateway import HAPROXY, ROOT, _running, _skip_body
from benchmarks.machine import report
from models.core.capability import Run, Setup
from models.core.local_store import LocalArtifactStore
from models.crypto.model import CryptoModel
from models.crypto.schema import PredictRequest
from models.crypto.sources.bars import Series
from models.crypto.sources.store import CandleStore
from models.crypto.sources.synthetic import synthetic_series

COINS = tuple(f"COIN{number:03d}" for number in range(256))
ROUTE = "/api/v1/crypto/predict"
OPTIONS = {"sources": [], "feeds": {}, "fear_greed_url": "", "score_every_s": 0}
HORIZONS = tuple(range(23, 11, -1))
PORTS = {"default": 8721, "haproxy": 8722}
CACHED_BATCHES, SINGLES = 12, 300
Figures = dict[str, float]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=6000, help="of every coin")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--proxies", nargs="*", default=["default", "haproxy"])
    options = parser.parse_args()
    started = time.monotonic()
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="orrery-bench-") as folder:
        place = Path(folder)
        _fill(place / "in-process", options.bars)
        figures |= _named("in_process_", _in_process(place / "in-process"))
        print(figures, file=sys.stderr)
        for proxy in options.proxies:
            data = place / proxy
            _fill(data / "state" / "crypto", options.bars)
            environment = HAPROXY if proxy == "haproxy" else {}
            over_http = _served(place, data, PORTS[proxy], environment, options.connections)
            named = _named("" if proxy == "default" else f"{proxy}_", over_http)
            figures |= named
            print(named, file=sys.stderr)
    report({**figures, "n": len(COINS), "seconds": round(time.monotonic() - started, 1)})


def _named(prefix: str, figures: Figures) -> dict[str, object]:
    return {f"{prefix}{name}": round(value, 2) for name, value in figures.items()}


def _fill(folder: Path, bars: int) -> None:
    store = CandleStore(folder / "candles.sqlite")
    for coin in COINS:
        made = synthetic_series(coin, "1h", bars, time.time())
        store.save(Series("benchmark", coin, "1h", made.rows, time.time()))
    store.close()


def _body(symbols: Sequence[str], horizon: int) -> dict[str, Any]:
    return {"symbols": list(symbols), "horizon_steps": horizon}


def _in_process(folder: Path) -> Figures:
    store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
    setup = Setup(store=store, device="cpu", cache_dir=folder, data_dir=folder, options=OPTIONS)
    model = CryptoModel(setup)

    def seconds(symbols: Sequence[str], horizon: int) -> float:
        request = PredictRequest.model_validate(_body(symbols, horizon))
        began_s = time.perf_counter()
        model.run(request, Run())
        return time.perf_counter() - began_s

    seconds(COINS[:2], 1)  # loads what is loaded with the first request
    first_s = seconds(COINS, 24)
    others_s = sum(seconds(COINS, horizon) for horizon in HORIZONS)
    cached_s = sum(seconds(COINS, 24) for _ in range(CACHED_BATCHES))
    model.close()
    return {
        "first_per_s": len(COINS) / first_s,
        "per_s": len(HORIZONS) * len(COINS) / others_s,
        "cached_per_s": CACHED_BATCHES * len(COINS) / cached_s,
    }


def _served(
    place: Path, data: Path, port: int, environment: dict[str, str], connections: int
) -> Figures:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["import_path"] = "benchmarks.crypto_app:build"
    application["deployments"] = [
        each
        for each in application["deployments"]
        if each["name"] in ("gateway", "orchestrator", "crypto")
    ]
    application.pop("autoscaling_policy", None)
    application["args"]["options"] = {"crypto": OPTIONS}
    path = place / f"serve_{port}.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "graphs.cli", "serve", "--config", str(path)]
    variables = {"ORRERY_DATA_DIR": str(data), "RAY_worker_niceness": "0", **environment}
    with _running([*command, "--port", str(port)], {**os.environ, **variables}, port):
        return asyncio.run(_load(port, connections))


async def _load(port: int, connections: int) -> Figures:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:

        async def send(content: bytes) -> float:
            began_s = time.perf_counter()
            headers = {"Content-Type": "application/json"}
            answer = await client.post(ROUTE, content=content, headers=headers)
            answer.raise_for_status()
            return time.perf_counter() - began_s

        async def closed_load(bodies: list[bytes]) -> float:
            """Seconds until all are answered."""
            waiting = list(reversed(bodies))

            async def connection() -> None:
                while waiting:
                    await send(waiting.pop())

            began_s = time.perf_counter()
            await asyncio.gather(*(connection() for _ in range(connections)))
            return time.perf_counter() - began_s

        await send(_json(COINS[:2], 1))
        first_s = await closed_load([_json(COINS, 24)])
        others_s = await closed_load([_json(COINS, horizon) for horizon in HORIZONS])
        cached_s = await closed_load([_json(COINS, 24)] * CACHED_BATCHES)
    replica_ms = await _singles_ms(port, "no-cache")
    singles_ms = await _singles_ms(port, "max-age=3600")
    return {
        "first_forecasts_per_s": len(COINS) / first_s,
        "forecasts_per_s": len(HORIZONS) * len(COINS) / others_s,
        "cached_forecasts_per_s": CACHED_BATCHES * len(COINS) / cached_s,
        "cached_p50_ms": statistics.median(singles_ms),
        "cached_p95_ms": float(np.percentile(singles_ms, 95)),
        "replica_cached_p50_ms": statistics.median(replica_ms),
        "replica_cached_p95_ms": float(np.percentile(replica_ms, 95)),
    }


async def _singles_ms(port: int, cache_control: str) -> list[float]:
    """Latencies of one coin over one connection; raw, so that the client costs little."""
    body = _json(COINS[:1], 24)
    request = (
        f"POST {ROUTE} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Cache-Control: {cache_control}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    for _ in range(SINGLES):
        began_s = time.perf_counter()
        writer.write(request + body)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"answered {head.splitlines()[0]!r}")
        await _skip_body(reader, head.lower())
        found.append(1e3 * (time.perf_counter() - began_s))
    writer.close()
    return found


def _json(symbols: Sequence[str], horizon: int) -> bytes:
    return json.dumps(_body(symbols, horizon)).encode()


if __name__ == "__main__":
    main()
