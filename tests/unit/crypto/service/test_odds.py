import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.crypto.conformal import fresh, update
from models.crypto.odds import chance_below, odds_of, quantiles_at, significant, warp_of
from models.crypto.quantiles import Quantiles
from models.crypto.scoring import LEVELS, crps

NORMAL = Quantiles(
    np.array([0.01, 0.1, 0.5, 0.9, 0.99]),
    np.array([[-2.33, -1.28, 0.0, 1.28, 2.33], [-4.66, -2.56, 0.0, 2.56, 4.66]]) / 100,
)


@settings(max_examples=50)
@example([0.0, 5e-324, 0.0, 0.0, 0.0], 1.0)
@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5), st.floats(-1.5, 1.5))
def test_reading_all_rows_at_once_is_reading_them_one_by_one(
    row: list[float], value: float
) -> None:
    curve = Quantiles(NORMAL.levels, np.sort(np.array([row, row[::-1]]), axis=1))
    wanted = np.array([0.005, 0.01, 0.33, 0.5, 0.99, 0.995])
    levels = [np.interp(wanted, curve.levels, each) for each in curve.values]

    np.testing.assert_allclose(curve.at(wanted), levels, atol=1e-12)
    chance = curve.probability_below(value)
    assert ((chance >= 0.01) & (chance <= 0.99)).all()
    if (np.diff(curve.values) > 1e-9).all():
        expected = [np.interp(value, each, curve.levels) for each in curve.values]
        np.testing.assert_allclose(chance, expected, atol=1e-9)


def test_quantiles_and_chances_are_each_others_inverse() -> None:
    levels = np.array([0.3, 0.45, 0.7])
    states = [(fresh(0.8), fresh(0.95))] * 2
    for _ in range(40):
        states = [(update(a, inside=False), update(b, inside=False)) for a, b in states]
    for warp in (None, warp_of(states)):
        values = quantiles_at(NORMAL, levels, warp)
        back = [chance_below(NORMAL, float(values[0, place]), warp)[0] for place in range(3)]

        np.testing.assert_allclose(back, levels, atol=1e-9)


def test_intervals_that_missed_too_often_are_widened_and_the_median_stays() -> None:
    states = [(fresh(0.8), fresh(0.95))] * 2
    for _ in range(20):
        states = [(update(a, inside=False), update(b, inside=False)) for a, b in states]
    warp = warp_of(states)
    levels = np.array([0.1, 0.5, 0.9])
    raw, wide = quantiles_at(NORMAL, levels), quantiles_at(NORMAL, levels, warp)

    assert (wide[:, 0] < raw[:, 0]).all()
    assert (wide[:, 2] > raw[:, 2]).all()
    np.testing.assert_allclose(wide[:, 1], raw[:, 1])
    assert warp_of([(fresh(0.8), fresh(0.95))]) is None


def test_odds_are_in_dollars_of_the_steps_that_were_asked_for() -> None:
    odds = odds_of(NORMAL, 200.0, (2,), (0.1, 0.5, 0.9), 2.0)

    np.testing.assert_allclose(
        odds.quantiles_usd, [[200 * np.exp(-0.0256), 200, 200 * np.exp(0.0256)]], rtol=1e-6
    )
    assert odds.p_up == (0.5,)
    assert 0.1 < odds.p_move[0] < 0.5


def test_crps_of_a_point_forecast_is_its_error() -> None:
    point = np.full((3, len(LEVELS)), 0.5)

    np.testing.assert_allclose(crps(point, np.array([0.5, 1.5, -0.5])), [0, 1, 1], atol=1e-12)


def test_crps_is_least_for_the_distribution_that_is_true() -> None:
    rng = np.random.default_rng(3)
    truths = rng.standard_normal(4000)
    true = np.quantile(rng.standard_normal(200_000), LEVELS)
    losses = [crps(np.tile(factor * true, (4000, 1)), truths).mean() for factor in (0.6, 1, 1.6)]

    assert losses[1] == min(losses)


def test_numbers_are_short_but_precise_at_any_size() -> None:
    found = significant(np.array([0.0, 0.000012345678, 61234.56789, -3.0]))

    np.testing.assert_allclose(found, [0, 0.00001234568, 61234.57, -3], rtol=1e-12)
