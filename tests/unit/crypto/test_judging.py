import numpy as np
import pytest

from models.core.errors import InvalidInput
from models.crypto.backtest import walk_forward
from models.crypto.conformal import fresh, tail_levels, update
from models.crypto.garch import fit_garch
from models.crypto.gate import judge
from models.crypto.risk import risk
from tests.unit.crypto.drawn_market import market

DAY = 86_400_000


def test_har_beats_garch_where_volatility_follows_the_clock(trained, coin):
    start = int(coin.opens_at_ms[3000])
    seen: list[float] = []

    found = walk_forward(
        coin,
        ["har"],
        start_ms=start,
        end_ms=coin.closed_at_ms,
        stride=5,
        scale_models=trained,
        tick=seen.append,
    )

    assert found.scores["har"].skill > 0.01
    assert found.scores["har"].dm_t < 0
    assert found.scores["walk"].skill < 0
    assert found.scores["har"].coverage_80 == pytest.approx(0.8, abs=0.05)
    assert [test.level for test in found.scores["har"].tails] == [0.01, 0.025, 0.05]
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert not found.notes


def test_forecasts_of_a_back_test_do_not_know_the_future(trained, coin):
    def scored(bars):
        part = coin.part(0, bars)
        return walk_forward(
            part,
            ["har"],
            start_ms=int(coin.opens_at_ms[3000]),
            end_ms=int(coin.opens_at_ms[3200]),
            stride=5,
            scale_models=trained,
        )

    assert scored(3300).scores["har"].crps == scored(4200).scores["har"].crps


@pytest.mark.parametrize("stride", [0, 6, 9])
def test_a_stride_that_skips_hours_is_refused(coin, trained, stride):
    with pytest.raises(InvalidInput, match="stride"):
        walk_forward(
            coin,
            ["har"],
            start_ms=0,
            end_ms=coin.closed_at_ms,
            stride=stride,
            scale_models=trained,
        )


def test_garch_finds_the_parameters_that_drew_the_returns():
    generator = np.random.default_rng(0)
    h, returns = 1.0, []
    for _ in range(6000):
        r = np.sqrt(h) * generator.standard_t(6) / np.sqrt(1.5)
        returns.append(r / 100)
        h = 0.05 + 0.1 * r * r + 0.85 * h

    found = fit_garch(np.array(returns))

    assert found.alpha == pytest.approx(0.1, abs=0.03)
    assert found.beta == pytest.approx(0.85, abs=0.05)
    assert found.nu == pytest.approx(6, abs=1.5)


def test_scales_of_garch_are_the_recursion_step_by_step():
    returns = np.random.default_rng(1).standard_normal(500) / 100
    found = fit_garch(returns)
    variance, total = found.scales(returns, np.array([1]))[-1, 0] ** 2 * 1e4, 0.0
    for _ in range(5):
        total += variance
        variance = found.omega + (found.alpha + found.beta) * variance

    assert found.scales(returns, np.array([5]))[-1, 0] == pytest.approx(np.sqrt(total) / 100)


def test_the_gate_wants_five_hundred_origins_and_no_doubt():
    generator = np.random.default_rng(0)
    default = 1 + 0.1 * generator.random(800)
    better = default - 0.01 + 0.02 * generator.standard_normal(800)
    lost_it = better.copy()
    lost_it[-250:] += 0.03

    assert judge(better, default, lags=2).admitted
    assert not judge(better[:499], default[:499], lags=2).admitted
    assert not judge(default, default, lags=2).admitted
    assert not judge(lost_it, default, lags=2).admitted


def test_misses_widen_the_interval_and_the_long_run_keeps_its_promise():
    state = fresh(0.8)
    widened = update(state, inside=False)
    assert tail_levels(widened)[0] < tail_levels(state)[0]

    truths = 1.5 * np.random.default_rng(0).standard_normal(6000)
    reference = np.sort(np.random.default_rng(1).standard_normal(4000))
    for truth in truths:
        low, high = np.quantile(reference, tail_levels(state))
        state = update(state, inside=bool(low <= truth <= high))

    assert state.hits / state.n == pytest.approx(0.8, abs=0.02)


def test_risk_is_greater_for_the_wilder_coin_and_its_parts_say_why(trained):
    calm = market("CALM", 700, 11, "1d", deviation=0.01)
    wild = market("WILD", 700, 12, "1d", deviation=0.06)
    low, high = risk(calm, calm, trained), risk(wild, None, trained)

    assert low.score < high.score
    assert low.grade < high.grade
    assert low.beta_to_btc == pytest.approx(1)
    assert high.beta_to_btc is None
    assert any("beta" in word for word in high.degraded)
    assert high.p_drawdown_10 > low.p_drawdown_10
    for tail in low.tails:
        assert 0 < tail.value_at_risk < tail.expected_shortfall < 1
    assert len(low.tails) == 6


def test_risk_needs_two_hundred_bars(coin, trained):
    with pytest.raises(InvalidInput):
        risk(coin.part(0, 199), None, trained)
