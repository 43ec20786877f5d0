from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from models.core.errors import InvalidInput
from models.crypto.forecast import Forecaster, ForecastQuery
from models.crypto.garch import fit_garch
from models.crypto.train import read_candles, read_folder, train
from models.crypto.training import fit_pool
from tests.unit.crypto.drawn_market import market


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    coins = [market("AAA", 1600, 1), market("BBB", 1600, 2), market("AAA", 400, 3, "1d")]
    train(coins, folder, seed=0, effort=0.1)
    return folder


@pytest.mark.parametrize("interval", ["1h", "1d"])
def test_trained_weights_answer_and_say_which_they_are(weights, interval):
    coin = market("CCC", 1700, 4, interval)
    answers = Forecaster(weights).forecast(
        [ForecastQuery(coin, model=name) for name in ("auto", "har", "lstm", "patch", "blend")]
    )

    assert [answer.model for answer in answers[1:]] == ["har", "lstm", "patch", "blend"]
    for answer in answers:
        assert (np.diff(answer.log_return_quantiles, axis=1) > 0).all()
        assert len(answer.weights_sha256) == 64
        assert not answer.degraded
    assert not np.array_equal(answers[1].scale, answers[2].scale)


def test_the_same_seed_gives_the_same_weights(weights, tmp_path):
    train([market("AAA", 400, 3, "1d")], tmp_path, seed=0, effort=0.1)
    names = sorted(path.name for path in tmp_path.glob("*_1d.safetensors"))

    assert names == ["lstm_1d.safetensors", "patch_1d.safetensors"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (weights / name).read_bytes()


def test_a_pool_of_no_coin_is_refused():
    with pytest.raises(InvalidInput, match="no coin has"):
        fit_pool([market("AAA", 500, 1)])


def test_candle_files_are_read_by_name_and_in_order(tmp_path: Path):
    coin = market("AAA", 50, 1)
    frame = pd.DataFrame(
        {
            "ts": pd.to_datetime(coin.opens_at_ms, unit="ms", utc=True),
            **{name: getattr(coin, name) for name in ("open", "high", "low", "close", "volume")},
        }
    )
    frame.iloc[::-1].to_csv(tmp_path / "AAAUSDT_1h.csv", index=False)
    frame.to_parquet(tmp_path / "BBB_1h.parquet")

    first, second = sorted(read_folder(tmp_path), key=lambda found: found.symbol)
    assert (first.symbol, second.symbol) == ("AAA", "BBB")
    assert np.array_equal(first.opens_at_ms, coin.opens_at_ms)
    assert replace(first, symbol="BBB", source="").digest == second.digest
    frame.drop(columns="high").to_csv(tmp_path / "CCC_1h.csv", index=False)
    with pytest.raises(InvalidInput, match="high"):
        read_candles(tmp_path / "CCC_1h.csv")


def test_the_yardstick_reaches_the_likelihood_of_another_implementation():
    arch = pytest.importorskip("arch")
    coin = market("AAA", 3000, 5)
    returns = np.diff(np.log(coin.close))
    theirs = arch.arch_model(100 * returns, mean="Zero", vol="GARCH", p=1, q=1, dist="t").fit(
        disp="off"
    )

    ours = fit_garch(returns).mean_log_likelihood

    assert ours >= theirs.loglikelihood / len(returns) - 5e-4
