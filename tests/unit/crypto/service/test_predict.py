import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.core.capability import Run
from models.core.errors import Cancelled, InvalidInput, UpstreamUnavailable
from models.crypto.holding import held_until_next_bar
from models.crypto.model import CryptoModel
from models.crypto.reports import CoinsRequest, ScorecardRequest, ScorecardResult
from models.crypto.schema import Prediction, PredictRequest, PredictResult, Refused
from tests.unit.crypto.service.conftest import HOUR_MS, NOW_S, Gaussian, bars

Build = Callable[..., CryptoModel]


def ask(model: CryptoModel, owner: str = "local", **request: Any) -> PredictResult:
    answer = model.run(PredictRequest.model_validate(request), Run(owner=owner))
    assert isinstance(answer, PredictResult)
    return answer


def one(model: CryptoModel, owner: str = "local", **request: Any) -> Prediction:
    (answer,) = ask(model, owner, **request).results
    assert isinstance(answer, Prediction), answer
    return answer


def scorecard(model: CryptoModel, owner: str = "local", **request: Any) -> ScorecardResult:
    answer = model.run(ScorecardRequest.model_validate(request), Run(owner=owner))
    assert isinstance(answer, ScorecardResult)
    return answer


def test_without_any_source_the_answer_is_of_an_invented_market_and_says_so(build: Build) -> None:
    answer = one(build(), symbol="btc")

    assert answer.symbol == "BTC"
    assert answer.synthetic
    assert answer.provenance.source == "synthetic"
    assert "invented" in answer.degraded[0]
    assert len(answer.odds.quantiles_usd) == len(answer.steps) == 24


def test_invented_candles_can_be_refused(build: Build) -> None:
    with pytest.raises(UpstreamUnavailable):
        ask(build(), symbol="BTC", allow_synthetic=False)


def test_a_coin_that_nobody_knows_is_not_invented(build: Build) -> None:
    (answer,) = ask(build(), symbols=["NOSUCHCOIN"]).results

    assert isinstance(answer, Refused)


def test_a_bad_symbol_does_not_spoil_the_others(build: Build) -> None:
    given = {"ETH": bars(50)}
    results = ask(build(), symbols=["BTC", "not a coin", "ETH", "BTC"], candles=given).results

    assert [each.outcome for each in results] == ["forecast", "refused", "refused", "forecast"]
    assert isinstance(results[2], Refused)
    assert results[2].code == "invalid-input"
    assert "200" in results[2].detail


def test_quantiles_are_prices_around_the_last_one_and_chances_add_up(build: Build) -> None:
    answer = one(build(), symbol="X", candles={"X": bars(600)}, move_pct=3)
    rows = np.array(answer.odds.quantiles_usd)

    assert (np.diff(rows) > 0).all()
    np.testing.assert_allclose(rows[:, 3], answer.last_price_usd, rtol=1e-6)
    np.testing.assert_allclose(answer.odds.p_up, 0.5, atol=1e-6)
    assert 0 < answer.odds.p_move[0] < answer.odds.p_move[-1] < 1
    assert answer.baseline.p_move[0] > answer.odds.p_move[0]
    assert answer.provenance.source == "request"
    assert answer.last_price_usd == pytest.approx(bars(600)[-1][4])


def test_the_bar_that_is_still_forming_is_left_out(build: Build) -> None:
    forming = [*bars(300), [*bars(1, NOW_S + 3600)[0][:1], 1.0, 1.0, 1.0, 1.0, 1.0]]
    answer = one(build(), symbol="X", candles={"X": forming})

    assert answer.made_at_ms == int(1000 * NOW_S) // HOUR_MS * HOUR_MS
    assert answer.last_price_usd == pytest.approx(bars(300)[-1][4])
    assert "1 bars were" in answer.provenance.notes[0]


def test_equal_questions_are_computed_once_until_a_bar_closes(
    build: Build, gaussian: Gaussian, now: list[float]
) -> None:
    model = build()
    first, again = one(model, symbol="BTC"), one(model, symbol="BTC")
    now[0] += 3600
    later = one(model, symbol="BTC")

    assert (first.cached, again.cached, later.cached) == (False, True, False)
    assert first.forecast_id == again.forecast_id != later.forecast_id
    assert first.odds == again.odds
    assert len(gaussian.batches) == 2


def test_odds_may_be_repeated_until_the_first_bar_closes(build: Build) -> None:
    given = {"X": bars(300), "OLD": bars(300, NOW_S - 1800)}
    result = ask(build(), symbols=list(given), candles=given)
    holding = held_until_next_bar(result)

    assert holding is not None
    made_at_ms = [each.made_at_ms for each in result.results if isinstance(each, Prediction)]
    assert holding.until_s == min(made_at_ms) / 1000 + 3600
    assert isinstance(holding.again, PredictResult)
    assert [each.cached for each in holding.again.results if isinstance(each, Prediction)] == [
        True,
        True,
    ]
    assert holding.again.model_copy(update={"results": result.results}) == result


def test_what_may_be_mended_before_a_bar_closes_is_not_repeated(build: Build) -> None:
    model, given = build(), {"X": bars(300)}
    invented = ask(model, symbol="BTC")
    refused = ask(model, symbols=["X", "no coin!"], candles=given)
    drawn = ask(model, symbol="X", candles=given, chart="svg")

    for result in (invented, refused, drawn):
        assert held_until_next_bar(result) is None


def test_a_hundred_coins_are_one_batch(build: Build, gaussian: Gaussian) -> None:
    symbols = ["BTC", "ETH", "SOL", "XRP"] * 25
    results = ask(build(), symbols=symbols).results

    assert all(isinstance(each, Prediction) for each in results)
    assert [each.symbol for each in results] == symbols
    assert gaussian.batches == [4]


def test_threads_that_ask_the_same_compute_it_once(build: Build, gaussian: Gaussian) -> None:
    model = build()
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(one(model, symbol="ETH").forecast_id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert sum(gaussian.batches) == 1


def test_every_forecast_is_on_record_before_it_is_answered_and_scored_when_its_truth_arrives(
    build: Build, now: list[float]
) -> None:
    model = build()
    one(model, symbol="BTC", horizon_steps=3)
    before = scorecard(model, market="synthetic")
    now[0] += 2 * 3600
    one(model, symbol="BTC", horizon_steps=3)
    after = scorecard(model, market="synthetic")

    assert (before.served, before.pending, before.scored) == (1, 3, 0)
    assert (after.served, after.pending, after.scored) == (2, 4, 2)
    assert after.rows[0].record.n == 2
    assert after.rows[0].record.crps_skill is not None
    assert scorecard(model).served == 0


def test_the_record_survives_a_restart_and_stands_in_every_answer(
    build: Build, now: list[float]
) -> None:
    first = build()
    for _ in range(12):
        one(first, symbol="BTC", horizon_steps=2)
        now[0] += 3600
    first.close()
    answer = one(build(), symbol="BTC", horizon_steps=2)

    assert answer.record.n >= 21
    assert answer.record.coverage_80 is not None
    assert answer.calibration == "adapted to the record"


def test_a_truth_that_never_came_is_counted(build: Build, now: list[float]) -> None:
    model = build()
    one(model, symbol="X", horizon_steps=3, candles={"X": bars(300)})
    later = bars(304, NOW_S + 4 * 3600)
    one(model, symbol="X", horizon_steps=3, candles={"X": [later[0], *later[:-3], later[-1]]})
    now[0] += 4 * 3600
    one(model, symbol="X", horizon_steps=3, candles={"X": [*later[:-3], later[-1]]})
    record = scorecard(model, market="request")

    assert record.missing_truth == 2
    assert record.scored == 1


def test_forecasts_of_own_candles_are_on_the_owners_record_alone(build: Build) -> None:
    model = build()
    one(model, "anna", symbol="X", candles={"X": bars(300)})

    assert scorecard(model, "anna", market="request").served == 1
    assert scorecard(model, "bert", market="request").served == 0
    assert scorecard(model, "anna").served == 0


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_chart_is_an_asset_of_the_caller(build: Build, tmp_path: Path, kind: str) -> None:
    answer = one(build(), "anna", symbol="ETH", chart=kind)

    assert answer.chart is not None
    assert answer.chart.media_type.startswith("image/")
    assert answer.chart.size_bytes > 2000


def test_paths_are_prices(build: Build) -> None:
    answer = one(build(), symbol="ETH", paths=5, horizon_steps=4)

    assert np.shape(answer.paths_usd) == (5, 4)


def test_levels_and_steps_that_were_asked_for_are_answered(build: Build) -> None:
    answer = one(build(), symbol="ETH", levels=[0.033, 0.5, 0.967], steps=[1, 12])

    assert answer.levels == (0.033, 0.5, 0.967)
    assert np.shape(answer.odds.quantiles_usd) == (2, 3)
    assert len(answer.odds.p_up) == len(answer.volatility) == 2


def test_a_daily_forecast_is_of_days(build: Build) -> None:
    answer = one(build(), symbol="ETH", interval="1d")

    assert answer.made_at_ms % (24 * HOUR_MS) == 0
    assert len(answer.steps) == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"symbol": "BTC", "symbols": ["ETH"]},
        {"symbol": "BTC/USDT"},
        {"symbol": "BTC", "horizon_steps": 169},
        {"symbol": "BTC", "interval": "1d", "horizon_steps": 31},
        {"symbol": "BTC", "levels": [0.5, 0.1]},
        {"symbol": "BTC", "levels": [0.001]},
        {"symbol": "BTC", "steps": [0]},
        {"symbols": ["BTC"] * 257},
        {"symbols": ["BTC"], "paths": 10},
        {"symbols": ["BTC"] * 9, "chart": "png"},
        {"symbol": "BTC", "candles": {"BTC": [[1, 2, 3]]}},
    ],
)
def test_what_is_not_valid_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PredictRequest.model_validate(wrong)


def test_a_single_symbol_that_fails_fails_the_request(build: Build) -> None:
    with pytest.raises(InvalidInput, match="200"):
        ask(build(), symbol="X", candles={"X": bars(50)})


def test_a_caller_that_left_is_not_answered(build: Build) -> None:
    request = PredictRequest(symbol="BTC")

    with pytest.raises(Cancelled):
        build().run(request, Run(cancelled=lambda: True))


def test_coins_are_found_by_name_and_symbol(build: Build) -> None:
    model = build()
    found = model.run(CoinsRequest(search="bitcoin"), Run())
    everything = model.run(CoinsRequest(), Run())

    assert [coin.symbol for coin in found.coins] == ["BTC", "BCH"]  # type: ignore[attr-defined]
    assert len(everything.coins) > 90  # type: ignore[attr-defined]


def test_own_candle_files_come_before_any_source(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = ["ts,open,high,low,close,volume"]
    lines += [",".join(map(str, row)) for row in bars(400, NOW_S - 86_400)]
    (folder / "BTC_1h.csv").write_text("\n".join(lines))
    answer = one(build(candles=str(folder)), symbol="BTC")

    assert answer.provenance.source == "files"
    assert not answer.synthetic
    assert "h ago" in answer.degraded[0]
