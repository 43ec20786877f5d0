import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binom, chi2

from models.crypto.metrics import SCORED_LEVELS, covered, crps, diebold_mariano, pit
from models.crypto.quantiles import Quantiles
from models.crypto.shapes import GRID, sorted_quantiles
from models.crypto.tail_tests import tail_test


def test_the_score_of_a_normal_forecast_is_its_closed_form():
    levels = np.arange(1, 2000) / 2000
    truth = np.array([-1.3, 0.0, 0.4, 2.0])
    density = np.exp(-(truth**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in truth])
    exact = truth * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi)

    found = crps(np.broadcast_to(ndtri(levels), (4, 1999)), truth, levels)

    assert found == pytest.approx(exact, abs=2e-3)


def test_the_true_distribution_scores_best():
    truth = np.random.default_rng(0).standard_normal(20_000)
    scores = [
        crps(np.tile(s * ndtri(SCORED_LEVELS), (20_000, 1)), truth).mean() for s in (0.8, 1, 1.25)
    ]

    assert min(scores) == scores[1]


def test_independent_losses_give_the_plain_t():
    generator = np.random.default_rng(1)
    a, b = generator.random(400), generator.random(400)
    d = a - b

    assert diebold_mariano(a, b, 0) == pytest.approx(d.mean() / (d.std() / 20))
    assert diebold_mariano(a, a, 3) == 0


def test_a_true_forecast_covers_what_it_promises_and_has_a_flat_histogram():
    truth = np.random.default_rng(2).standard_normal((4000, 1))
    curve = np.broadcast_to(ndtri(GRID), (4000, 1, len(GRID)))

    assert covered(curve, truth, 0.8, GRID).mean() == pytest.approx(0.8, abs=0.02)
    assert np.allclose(pit(curve, truth, GRID), 0.05, atol=0.015)


def test_kupiec_is_the_likelihood_ratio_of_the_binomial():
    violated = np.zeros(500, bool)
    violated[::50] = True
    ratio = 2 * (binom.logpmf(10, 500, 10 / 500) - binom.logpmf(10, 500, 0.05))

    assert tail_test(violated, 0.05).kupiec_p == pytest.approx(chi2.sf(ratio, 1))


def test_clusters_are_noticed_although_their_count_is_right():
    apart, together = np.zeros(1000, bool), np.zeros(1000, bool)
    apart[::20] = True
    together[300:350] = True

    assert tail_test(apart, 0.05).kupiec_p == tail_test(together, 0.05).kupiec_p == pytest.approx(1)
    assert tail_test(apart, 0.05).passed
    assert tail_test(together, 0.05).christoffersen_p < 1e-6


def test_no_violation_at_all_is_judged():
    assert 0 < tail_test(np.zeros(50, bool), 0.01).kupiec_p < 1


def test_quantiles_of_a_sample_lie_between_its_values():
    sample = np.random.default_rng(3).standard_normal((2, 501))

    assert np.allclose(
        sorted_quantiles(sample, np.array([0.1, 0.5, 0.9])),
        np.quantile(sample, [0.1, 0.5, 0.9], axis=1, method="hazen").T,
    )


def test_probability_and_quantile_are_inverse():
    curve = Quantiles(GRID, np.tile(ndtri(GRID), (2, 1)))

    assert curve.probability_below(float(curve.at(np.array([0.3]))[0, 0])) == pytest.approx(
        [0.3] * 2
    )
    assert curve.p_up == pytest.approx([0.5, 0.5])
