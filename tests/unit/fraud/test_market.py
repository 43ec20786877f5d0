import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.core.seeds import numpy_generator
from models.fraud.market import (
    FEATURES,
    SILENT_S,
    Chunks,
    alerts,
    cut,
    features,
    onset,
)

SIZE_S = 25
START_MS = 1_600_000_000_000
HOURS = 8


def trades(pump_at_s: int | None = None) -> tuple[np.ndarray, ...]:
    """Eight hours of quiet trading, and a rush of buyers if asked for."""
    random = numpy_generator(0, "trades")
    ts_ms = START_MS + np.sort(random.integers(0, HOURS * 3_600_000, 3000))
    buy, price = random.random(3000) < 0.5, np.full(3000, 100.0)
    amount = random.uniform(0.5, 1.5, 3000)
    if pump_at_s is not None:
        rush_ms = START_MS + 1000 * pump_at_s + np.arange(400) * 50
        ts_ms, order = np.r_[ts_ms, rush_ms], np.argsort(np.r_[ts_ms, rush_ms], kind="stable")
        buy, amount = np.r_[buy, np.full(400, True)], np.r_[amount, np.full(400, 5.0)]
        price = np.r_[price, np.linspace(101, 130, 400)]
        ts_ms, buy, price, amount = (a[order] for a in (ts_ms, buy, price, amount))
    return ts_ms, buy, price, amount


def chunks(pump_at_s: int | None = None) -> Chunks:
    return cut(*trades(pump_at_s), SIZE_S)


def test_chunks_keep_every_trade() -> None:
    _, buy, price, amount = trades(20_000)
    made = chunks(20_000)

    assert made.buy.sum() == pytest.approx((price * amount)[buy].sum())
    assert made.sell.sum() == pytest.approx((price * amount)[~buy].sum())
    assert made.highest.max() == 130
    assert made.last[-1] == price[-1]
    assert np.diff(made.start_s) == pytest.approx(SIZE_S)


def test_fills_of_one_millisecond_are_one_order() -> None:
    ts_ms = np.array([0, 0, 0, 5]) + START_MS
    made = cut(ts_ms, np.array([True] * 4), np.ones(4), np.array([1.0, 2.0, 3.0, 4.0]), SIZE_S)

    assert made.rush.tolist() == [2]
    assert made.largest.tolist() == [6]


def test_the_onset_is_where_the_rush_begins() -> None:
    made = chunks(25_000)
    found = onset(made, SIZE_S, START_MS / 1000 + 25_000)

    assert found is not None
    assert abs(made.start_s[found] - START_MS / 1000 - 25_000) <= SIZE_S
    assert onset(chunks(), SIZE_S, START_MS / 1000 + 25_000) is None


def test_a_rush_stands_out_in_every_measure_of_it() -> None:
    made = chunks(25_000)
    rows = features(made, SIZE_S)
    place = onset(made, SIZE_S, START_MS / 1000 + 25_000)
    quiet = np.arange(300, place - 10)
    for name in ("buy_over_mean", "buy_over_highest", "rush_over_mean", "highest_over_median"):
        column = rows[:, FEATURES.index(name)]
        assert column[place] > column[quiet].max()


def test_features_know_nothing_of_the_future() -> None:
    with_pump, without = features(chunks(25_000), SIZE_S), features(chunks(), SIZE_S)
    before = 25_000 // SIZE_S - 2

    assert with_pump[:before] == pytest.approx(without[:before])
    assert np.isfinite(with_pump).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_alerts_keep_their_silence(made: list[float]) -> None:
    raised = alerts(np.array(made), 0.5, SIZE_S)

    assert all(made[chunk] >= 0.5 for chunk in raised)
    assert (np.diff(raised) * SIZE_S >= SILENT_S).all()
    assert (len(raised) == 0) == (max(made) < 0.5)
