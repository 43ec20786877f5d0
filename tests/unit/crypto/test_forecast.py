from dataclasses import replace

import numpy as np
import pytest

from models.core.errors import InvalidInput, ModelUnavailable
from models.crypto.forecast import Forecaster, ForecastQuery
from tests.unit.crypto.drawn_market import market


@pytest.fixture(scope="session")
def forecaster(trained):
    return Forecaster(models=trained)


def only(answers):
    assert len(answers) == 1
    return answers[0]


def test_quantiles_increase_and_widen_with_the_horizon(forecaster, coin):
    found = only(forecaster.forecast([ForecastQuery(coin, 168)]))

    assert found.log_return_quantiles.shape == (168, 9)
    assert (np.diff(found.log_return_quantiles, axis=1) > 0).all()
    assert (np.diff(found.scale) > 0).all()
    assert found.made_at_ms == coin.closed_at_ms
    assert np.all((found.p_up > 0.3) & (found.p_up < 0.7))


def test_a_forecast_depends_on_the_bars_alone(forecaster, trained, coin):
    again = only(Forecaster(models=trained).forecast([ForecastQuery(coin.part(0, len(coin)), 7)]))

    found = only(forecaster.forecast([ForecastQuery(coin, 7)]))
    assert np.array_equal(found.log_return_quantiles, again.log_return_quantiles)


def test_noon_is_wider_than_midnight(forecaster, coin):
    hours = (coin.opens_at_ms // 3_600_000) % 24
    night, noon = (int(np.flatnonzero(hours == h)[-2]) + 1 for h in (15, 2))
    calm, wild = (
        only(forecaster.forecast([ForecastQuery(coin.part(0, end), 1)])).scale[0]
        / np.std(np.diff(np.log(coin.close[end - 24 : end])))
        for end in (night, noon)
    )

    assert wild > 1.3 * calm


def test_one_bad_request_does_not_spoil_the_others(forecaster, coin):
    short, good = forecaster.forecast(
        [ForecastQuery(coin.part(0, 150)), ForecastQuery(coin.part(0, 250))]
    )

    assert isinstance(short, InvalidInput)
    assert any("short history" in word for word in good.degraded)


def test_long_horizons_need_no_long_history(forecaster, coin):
    for bars in (200, 260):
        found = only(forecaster.forecast([ForecastQuery(coin.part(0, bars), 168)]))
        assert np.isfinite(found.log_return_quantiles).all()
        assert np.isfinite(found.baseline_quantiles).all()


def test_days_are_forecast_as_well(forecaster):
    found = only(forecaster.forecast([ForecastQuery(market("DDD", 500, 6, "1d"), 30)]))

    assert found.model == "har"
    assert np.isfinite(found.log_return_quantiles).all()


def test_paths_have_the_distribution_of_the_forecast(forecaster, coin):
    query = ForecastQuery(coin, 24, levels=(0.05, 0.5, 0.95), paths=4000, seed=3)
    found = only(forecaster.forecast([query]))

    drawn = np.quantile(found.paths, [0.05, 0.5, 0.95], axis=0).T
    assert np.allclose(drawn, found.log_return_quantiles, atol=1e-3)
    assert np.corrcoef(found.paths[:, 22], found.paths[:, 23])[0, 1] > 0.9
    assert np.array_equal(found.paths, only(forecaster.forecast([query])).paths)
    other = only(forecaster.forecast([replace(query, seed=4)]))
    assert not np.array_equal(found.paths, other.paths)


def test_a_model_that_is_not_installed_says_so(forecaster, coin):
    assert isinstance(
        only(forecaster.forecast([ForecastQuery(coin, model="lstm")])), ModelUnavailable
    )


def test_without_any_weights_the_yardstick_answers_and_says_so(tmp_path, coin):
    found = only(Forecaster(tmp_path).forecast([ForecastQuery(coin.part(0, 1000))]))

    assert found.model == "garch"
    assert "no learned weights" in found.degraded[0]


@pytest.mark.parametrize(
    "wrong", [{"horizon_steps": 169}, {"levels": (0.5, 0.1)}, {"levels": (0.001,)}, {"paths": -1}]
)
def test_questions_beyond_the_limits_are_refused(coin, wrong):
    with pytest.raises(InvalidInput):
        ForecastQuery(coin, **wrong)
