import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.crypto.sources.bars import Series, cleaned
from models.crypto.sources.breaker import Breaker
from models.crypto.sources.bucket import TokenBucket
from models.crypto.sources.coingecko import bars_of
from models.crypto.sources.failures import shown
from models.crypto.sources.files import candle_file, read_candles
from models.crypto.sources.store import CandleStore
from models.crypto.sources.synthetic import synthetic_series
from tests.unit.crypto.service.conftest import HOUR_MS, NOW_S, bars

NOW_MS = 1000 * NOW_S


@settings(max_examples=40)
@given(st.permutations(range(12)), st.sampled_from([1e-3, 1, 1e3, 1e6]))
def test_any_order_unit_and_repetition_of_bars_gives_the_same(
    order: list[int], unit: float
) -> None:
    rows = bars(12)
    sent = [[rows[place][0] * unit, *rows[place][1:]] for place in order]
    forming = [(rows[-1][0] + HOUR_MS) * unit, 1, 1, 1, 1, 1]

    np.testing.assert_allclose(cleaned([*sent, *sent, forming], "1h", NOW_MS), rows)


@pytest.mark.parametrize(
    "bad",
    [
        [100, 99, 98, 100, 1],
        [100, 101, 0, 100, 1],
        [float("nan"), 101, 99, 100, 1],
        [100, 101, 99, 100, -1],
        [102, 101, 99, 100, 1],
        [100, 101],
    ],
)
def test_a_bar_that_is_none_is_left_out(bad: list[float]) -> None:
    rows = bars(3)
    broken = [rows[0], [rows[1][0], *bad], rows[2]]

    assert cleaned(broken, "1h", NOW_MS)[:, 0].tolist() == [rows[0][0], rows[2][0]]


def test_a_host_that_fails_is_left_alone_longer_each_time_until_it_answers() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    waits = []
    for _ in range(8):
        breaker.failed("x", "down")
        breaker.failed("x", "down")  # at the same time: the same failure
        wait_s = 0.0
        while breaker.refusal("x"):
            now[0] += 5
            wait_s += 5
        waits.append(wait_s)
    breaker.succeeded("x")

    assert waits[:4] == [30, 60, 120, 240]
    assert max(waits) == 900
    assert breaker.proven("x")


def test_a_bucket_lets_a_burst_through_and_then_keeps_the_rate() -> None:
    now = [0.0]
    bucket = TokenBucket(60, 3, lambda: now[0])
    waits = [bucket.wait_s() for _ in range(5)]
    now[0] = 100.0

    assert waits == [0, 0, 0, 1, 2]
    assert bucket.wait_s() == 0
    asyncio.run(bucket.take())


def test_the_invented_market_does_not_change_when_it_is_asked_again_and_days_are_its_hours() -> (
    None
):
    hours = synthetic_series("BTC", "1h", 500, NOW_S)
    later = synthetic_series("BTC", "1h", 500, NOW_S + 5 * 3600)
    days = synthetic_series("BTC", "1d", 10, NOW_S)
    of_day = hours.rows[hours.rows[:, 0] // (24 * HOUR_MS) * 24 * HOUR_MS == days.rows[-1, 0]]

    np.testing.assert_array_equal(hours.rows[5:], later.rows[:-5])
    assert hours.gaps == days.gaps == 0
    assert hours.synthetic
    assert days.rows[-1, 2] == of_day[:, 2].max()
    assert days.rows[-1, 4] == of_day[-1, 4]
    assert (synthetic_series("ETH", "1h", 500, NOW_S).rows[:, 4] != hours.rows[:, 4]).all()
    assert hours.candles().synthetic


def test_kept_candles_come_back_as_they_were(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "c.sqlite")
    store.save(Series("okx", "BTC", "1h", np.array(bars(5)), NOW_S, notes=("one", "two")))
    (found,) = store.find("BTC", "1h")
    spans = store.spans()
    store.close()

    np.testing.assert_array_equal(found.rows, bars(5))
    assert (found.venue, found.notes, found.fetched_at_s) == ("okx", ("one", "two"), NOW_S)
    assert list(spans["BTC"]) == ["okx"]


def test_a_store_that_cannot_be_opened_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = CandleStore(tmp_path / "file" / "c.sqlite")
    store.save(Series("okx", "BTC", "1h", np.array(bars(5)), NOW_S))

    assert store.find("BTC", "1h") == []


def test_files_of_either_stamp_are_read(tmp_path: Path) -> None:
    rows = bars(3)
    lines = [f"{np.datetime64(int(r[0]), 'ms')}Z,{','.join(map(str, r[1:]))}" for r in rows]
    path = tmp_path / "BTCUSDT_1h.csv"
    path.write_text("\n".join(["date,open,high,low,close,volume", *lines]))

    assert candle_file(tmp_path, "BTC", "1h") == path
    assert candle_file(tmp_path, "ETH", "1h") is None
    np.testing.assert_allclose(read_candles(path, "1h", NOW_MS), rows)


def test_prices_at_the_ends_of_hours_become_bars_of_those_hours() -> None:
    hour = int(NOW_MS) // HOUR_MS * HOUR_MS
    prices = [[hour + n * HOUR_MS + 40_000, 100.0 + n] for n in (0, 1, 2, 4)]
    found = bars_of([*prices, [hour + 5 * HOUR_MS - 1_500_000, 7.0]], "1h")

    assert found[:, 0].tolist() == [hour, hour + HOUR_MS]
    assert found[:, 4].tolist() == [101.0, 102.0]
    assert found[:, 1].tolist() == [100.0, 101.0]


def test_keys_in_addresses_are_hidden() -> None:
    said = shown("GET https://api.coingecko.com/x?x_cg_demo_api_key=hush&days=1 failed")

    assert "hush" not in said
    assert "days=1" in said
