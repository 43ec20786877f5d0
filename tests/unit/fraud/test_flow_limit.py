"""Limits of false alarms, and the distance from ordinary flows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fraud.flow_limit import limit_over_mixes
from models.fraud.ordinary import Ordinary
from models.fraud.surprise import strangeness


@given(st.sampled_from([0.01, 0.05, 0.2]), st.integers(0, 9))
def test_where_all_flows_are_of_one_kind_the_budget_is_met_exactly(
    budget: float, seed: int
) -> None:
    scores = np.random.default_rng(seed).permutation(1000.0 * np.arange(1000))

    limit = limit_over_mixes(scores, np.zeros(1000, int), budget)

    assert (scores > limit).mean() == pytest.approx(budget)


def test_the_budget_holds_in_three_of_four_mixes_of_the_kinds() -> None:
    random = np.random.default_rng(0)
    kinds = np.repeat(np.arange(40), 50)
    scores = random.normal(size=2000) + random.normal(size=40)[kinds]

    limit, plain = limit_over_mixes(scores, kinds, 0.05), np.quantile(scores, 0.95)

    def held(at: float) -> float:
        """Share of new mixes in which no more than 5 % exceed the limit."""
        mixes = (np.bincount(random.integers(0, 40, 40), minlength=40) for _ in range(400))
        return float(
            np.mean([np.average(scores > at, weights=mix[kinds]) <= 0.05 for mix in mixes])
        )

    assert held(limit) == pytest.approx(0.75, abs=0.06)
    assert held(plain) < 0.65


def test_as_far_from_a_lonely_ordinary_flow_is_less_strange() -> None:
    references = np.array([[0.0, 0], [1, 0], [40, 0], [40, 8]])
    ordinary = Ordinary(np.zeros(2), np.ones(2), np.eye(2), np.zeros(2), references)

    among_many, beside_the_lonely = ordinary.strangeness(np.array([[0.0, 3], [40, -3]]))

    assert ordinary.spacing == pytest.approx([1, 1, 8, 8])
    assert among_many == pytest.approx(2.5)
    assert beside_the_lonely == pytest.approx(-1)
    assert strangeness(np.array([3.0]), np.array([0.0])) == 3
