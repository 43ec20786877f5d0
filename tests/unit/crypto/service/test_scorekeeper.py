import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from models.crypto.ledger import Ledger, NewForecast
from models.crypto.scorekeeper import Key, Scorekeeper
from models.crypto.scoring import LEVELS
from models.crypto.sources.bars import Series
from models.crypto.sweep import Limits, prune
from tests.unit.crypto.service.conftest import HOUR_MS, NOW_S, Gaussian, bars

KEY: Key = ("BTC", "1h", "real", "")
SPREAD = 0.01
Forecast = Callable[..., NewForecast]


@pytest.fixture
def keeper(tmp_path: Path, gaussian: Gaussian) -> Iterator[Scorekeeper]:
    ledger = Ledger(tmp_path / "forecasts.sqlite")
    yield Scorekeeper(ledger, gaussian)
    ledger.close()


@pytest.fixture
def market() -> Series:
    return Series("binance", "BTC", "1h", np.array(bars(700)), NOW_S)


def forecasts(market: Series, spread: float, count: int) -> list[NewForecast]:
    """One per bar, of a spread of its own; the baseline knows the true one."""
    shape = norm.ppf(LEVELS)[None]
    bound = norm.ppf([0.025, 0.1, 0.9, 0.975])[None]
    first = len(market) - count - 1
    return [
        NewForecast(
            id=f"f{place}", owner="", market="real", symbol="BTC", interval="1h", venue="binance",
            model="har", weights="w", served_at_s=NOW_S,
            made_at_ms=int(market.rows[place, 0]) + HOUR_MS,
            last_close_usd=float(market.rows[place, 4]), adapts=True, quantiles=spread * shape,
            bounds=spread * bound, baseline=SPREAD * shape, p_up=np.array([0.5]),
        )
        for place in range(first, first + count)
    ]  # fmt: skip


def test_a_model_that_loses_to_a_random_walk_beyond_doubt_is_set_aside(
    keeper: Scorekeeper, market: Series
) -> None:
    keeper.write(forecasts(market, 3 * SPREAD, 600))
    before = keeper.harm(KEY, "har", "w")
    scored = keeper.arrived(market, "real", "")

    assert before is None
    assert scored == 600
    assert "skill" in str(keeper.harm(KEY, "har", "w"))
    assert keeper.harm(KEY, "har", "other weights") is None


def test_a_model_that_is_right_stays_and_its_record_says_so(
    keeper: Scorekeeper, market: Series
) -> None:
    keeper.write(forecasts(market, SPREAD, 600))
    keeper.arrived(market, "real", "")
    record = keeper.record(KEY, "har")

    assert keeper.harm(KEY, "har", "w") is None
    assert record.n == record.forecasts == 600
    assert record.crps_skill == pytest.approx(0, abs=1e-6)
    assert record.coverage_80 == pytest.approx(0.8, abs=0.05)
    assert record.coverage_95 == pytest.approx(0.95, abs=0.03)
    assert record.brier_up == pytest.approx(0.25)


def test_intervals_adapt_to_the_misses_of_their_coin_alone(
    keeper: Scorekeeper, market: Series
) -> None:
    keeper.write(forecasts(market, SPREAD / 3, 200))
    keeper.arrived(market, "real", "")
    warp = keeper.warp(KEY, 1)

    assert warp is not None
    assert warp.working[0, 2] < 0.08  # the lower end of the 80 % interval, .1 before
    assert keeper.warp(("ETH", "1h", "real", ""), 1) is None


def test_the_same_forecast_is_on_record_once_and_scores_are_not_given_twice(
    keeper: Scorekeeper, market: Series
) -> None:
    keeper.write(forecasts(market, SPREAD, 10))
    keeper.write(forecasts(market, 2 * SPREAD, 10))
    first = keeper.arrived(market, "real", "")
    again = keeper.arrived(market, "real", "")

    assert (first, again) == (10, 0)
    assert keeper.record(KEY, "har").n == 10


def test_prices_of_another_venue_settle_nothing(keeper: Scorekeeper, market: Series) -> None:
    keeper.write(forecasts(market, SPREAD, 10))
    other = Series("kraken", "BTC", "1h", market.rows, NOW_S)

    assert keeper.arrived(other, "real", "") == 0


def test_the_oldest_forecasts_are_removed_whatever_their_score_and_stay_counted(
    tmp_path: Path, gaussian: Gaussian, market: Series
) -> None:
    ledger = Ledger(tmp_path / "forecasts.sqlite")
    keeper = Scorekeeper(ledger, gaussian)
    old, new = forecasts(market, SPREAD, 60)[:40], forecasts(market, SPREAD, 60)[40:]
    keeper.write([replace(each, served_at_s=NOW_S - 1000) for each in old] + new)
    keeper.arrived(market, "real", "")
    before = ledger.totals("real", "")
    removed = [ledger.prune(NOW_S - 500, 2**30, 25) for _ in range(3)]
    after = ledger.totals("real", "")
    (kept,) = ledger._read("SELECT count(*) FROM score", ())
    ledger.close()

    assert removed == [25, 15, 0]
    assert (before.served, before.removed, before.scored) == (60, 0, 60)
    assert after == replace(before, removed=40)
    assert kept == (20,)


def test_a_long_record_loses_its_oldest_and_what_was_pending_counts_as_missing(
    tmp_path: Path, market: Series
) -> None:
    ledger = Ledger(tmp_path / "forecasts.sqlite")
    ledger.append(forecasts(market, SPREAD, 60))
    kept = ledger.prune(0, 2**30, 10)
    removed = [ledger.prune(0, 1, 40) for _ in range(3)]
    totals = ledger.totals("real", "")
    ledger.close()

    assert (kept, removed) == (0, [40, 20, 0])
    assert (totals.served, totals.removed, totals.pending, totals.missing) == (60, 60, 0, 60)
    assert totals.since_s == NOW_S


def test_a_sweep_removes_all_that_is_too_old(tmp_path: Path, market: Series) -> None:
    ledger = Ledger(tmp_path / "forecasts.sqlite")
    ledger.append(forecasts(market, SPREAD, 500))
    kept = asyncio.run(prune(ledger, lambda: NOW_S + 60 * 86_400, Limits(days=60, bytes=2**30)))
    removed = asyncio.run(prune(ledger, lambda: NOW_S + 61 * 86_400, Limits(60, 2**30)))
    ledger.close()

    assert (kept, removed) == (0, 500)
