import numpy as np
import pytest
from scipy.special import ndtri

from models.crypto.adapted import adapted, arrived
from models.crypto.backtest import coverage
from models.crypto.garch import fit_garch
from models.crypto.scale_models import ScaleModels
from models.crypto.shapes import GRID
from models.crypto.walked import Walked


def walked_too_wide(origins: int, stride: int, width: float) -> Walked:
    truth = np.random.default_rng(0).standard_normal((origins, 2))
    curves = np.broadcast_to(width * ndtri(GRID), (origins, 2, len(GRID)))
    return Walked(stride * np.arange(origins), curves, truth, 0.0)


@pytest.mark.parametrize("width", [0.7, 1.5])
def test_intervals_of_a_wrong_width_come_to_keep_their_promise(width):
    raw = walked_too_wide(1500, 5, width)
    served = adapted(raw)
    late = Walked(raw.rows[700:], served.curves[700:], raw.truth[700:], 0.0)

    assert abs(coverage(raw, 0.8) - 0.8) > 0.08
    assert coverage(late, 0.8) == pytest.approx(0.8, abs=0.02)
    assert coverage(late, 0.95) == pytest.approx(0.95, abs=0.015)
    assert (np.diff(served.curves, axis=-1) >= 0).all()


def test_only_truths_that_had_arrived_bend_a_forecast():
    raw = walked_too_wide(40, 1, 1.0)
    changed = raw.truth.copy()
    changed[20:] += 9
    other = adapted(Walked(raw.rows, raw.curves, changed, 0.0))

    assert arrived(np.array([0, 1, 2, 5]), np.array([1, 3])).tolist() == [
        [0, 0],
        [1, 0],
        [2, 0],
        [3, 3],
    ]
    np.testing.assert_array_equal(adapted(raw).curves[:21, 0], other.curves[:21, 0])
    np.testing.assert_array_equal(adapted(raw).curves[:22, 1], other.curves[:22, 1])
    assert (adapted(raw).curves[21, 0] != other.curves[21, 0]).any()


@pytest.mark.parametrize("moves", [0.0, 1e-12, 1.0])
def test_garch_is_fitted_to_any_returns(moves):
    generator = np.random.default_rng(1)
    returns = moves * generator.standard_normal(300) * (generator.random(300) < 0.02)
    found = fit_garch(returns)

    assert 0 < found.alpha + found.beta < 1
    assert np.isfinite(found.scales(returns, np.array([1, 7]))).all()


def test_the_hash_of_a_blend_covers_all_its_files():
    models = ScaleModels()
    hashes = {name: models.sha256(name, "1h") for name in ("har", "lstm", "patch", "blend")}

    assert hashes["blend"] == hashes["lstm"]
    assert len({hashes["har"], hashes["lstm"], hashes["patch"]}) == 3
    assert all(len(value or "") == 64 for value in hashes.values())
