from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.core.capability import Setup
from models.core.errors import CapabilityError, InvalidInput
from models.core.local_store import LocalArtifactStore
from models.crypto.forecast import Forecast, Forecaster, ForecastQuery
from models.crypto.model import CryptoModel
from models.crypto.quantiles import Quantiles

NOW_S = 1_780_000_000.0  # 2026-05-28 20:26:40 UTC
HOUR_MS = 3_600_000
NORMAL = np.array(
    [-2.3263, -1.96, -1.6449, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.6449, 1.96, 2.3263]
)
LEVELS = np.array([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])


class Gaussian(Forecaster):
    """Odds of a random walk, quick and exact; counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forecast(self, requests: Sequence[ForecastQuery]) -> list[Forecast | CapabilityError]:
        self.batches.append(len(requests))
        return [self._one(each) for each in requests]

    def _one(self, query: ForecastQuery) -> Forecast | CapabilityError:
        candles = query.candles
        if len(candles) < 200:
            return InvalidInput(f"{candles.symbol}: 200 bars are needed, got {len(candles)}")
        steps = np.arange(1, query.horizon_steps + 1)
        step_scale = np.diff(np.log(candles.close[-500:])).std()
        scale = step_scale * np.sqrt(steps)
        curve = Quantiles(LEVELS, scale[:, None] * NORMAL)
        wide = Quantiles(LEVELS, 1.5 * curve.values)
        levels = np.array(query.levels)
        return Forecast(
            symbol=candles.symbol,
            interval=candles.interval,
            made_at_ms=candles.closed_at_ms,
            last_close_usd=float(candles.close[-1]),
            horizons=steps,
            levels=levels,
            log_return_quantiles=curve.at(levels),
            p_up=curve.p_up,
            scale=scale,
            curve=curve,
            model="har",
            why="the only one",
            baseline=wide,
            baseline_quantiles=wide.at(levels),
            baseline_p_up=wide.p_up,
            paths=np.zeros((query.paths, len(steps))) if query.paths else None,
        )


@pytest.fixture
def gaussian() -> Gaussian:
    return Gaussian()


@pytest.fixture
def now() -> list[float]:
    """The clock; tests move it."""
    return [NOW_S]


@pytest.fixture
def build(
    tmp_path: Path, gaussian: Gaussian, now: list[float]
) -> Iterator[Callable[..., CryptoModel]]:
    """Builds the capability on one folder, as a restarted replica would; without a network."""
    built: list[CryptoModel] = []

    def model(**options: Any) -> CryptoModel:
        store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
        chosen = {"sources": [], "feeds": {}, "fear_greed_url": "", "score_every_s": 0, **options}
        setup = Setup(
            store=store, device="cpu", cache_dir=tmp_path, data_dir=tmp_path, options=chosen
        )
        built.append(CryptoModel(setup, clock=lambda: now[0], forecaster=gaussian))
        return built[-1]

    yield model
    for each in built:
        each.close()


def bars(count: int, end_s: float = NOW_S, seed: int = 1) -> list[list[float]]:
    """Hourly bars that end with the last closed one."""
    last_ms = int(1000 * end_s) // HOUR_MS * HOUR_MS - HOUR_MS
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(count)))
    opens_at = last_ms - HOUR_MS * np.arange(count)[::-1]
    rows = [opens_at, closes, closes * 1.001, closes * 0.999, closes, np.ones(count)]
    return np.column_stack(rows).tolist()
