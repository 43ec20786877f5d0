"""Rules, costs and calibration: what turns a score into a decision."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.core.seeds import numpy_generator
from models.fraud.calibration import Calibration, expected_calibration_error, fit_isotonic
from models.fraud.costs import CostPolicy
from models.fraud.rules import Condition, Rule, RuleTable, forced

shares = st.floats(0, 1)
amounts = st.floats(0.01, 1e6)


def rule(name: str, action: str, *when: tuple[str, str, object]) -> dict[str, object]:
    conditions = [{"fact": fact, "operator": op, "value": value} for fact, op, value in when]
    return {"id": name, "action": action, "when": conditions, "text": "because"}


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("<", 5.0, False),
        ("<=", 5.0, True),
        (">", 4.9, True),
        (">=", 5.1, False),
        ("==", 5.0, True),
        ("!=", 5.0, False),
        ("in", (4.0, 5.0), True),
        ("not in", (4.0, 5.0), False),
    ],
)
def test_conditions_compare(operator: str, value: object, holds: bool) -> None:
    condition = Condition.model_validate({"fact": "amount", "operator": operator, "value": value})

    assert condition.holds({"amount": 5.0}) is holds


@pytest.mark.parametrize("operator", ["==", "!="])
@pytest.mark.parametrize("facts", [{}, {"amount": None}, {"amount": math.nan}])
def test_what_is_not_known_meets_no_condition(operator: str, facts: dict[str, float]) -> None:
    condition = Condition.model_validate({"fact": "amount", "operator": operator, "value": 5})

    assert not condition.holds(facts)


@pytest.mark.parametrize(
    "bad",
    [("amount", "<", "much"), ("amount", "in", 5), ("amount", "==", [5]), ("amount", "~", 5)],
)
def test_a_rule_that_makes_no_sense_is_refused(bad: tuple[str, str, object]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(rule("r", "block", bad))


def test_a_rule_on_an_unknown_fact_is_refused_by_name() -> None:
    table = RuleTable.model_validate({"rules": [rule("r", "block", ("amuont", ">", 5))]})

    with pytest.raises(ValueError, match=r"amuont.*amount"):
        table.check_facts(frozenset({"amount"}))


def test_two_rules_may_not_share_an_id() -> None:
    twice = [rule("r", "block", ("amount", ">", 5))] * 2

    with pytest.raises(ValidationError, match="same id"):
        RuleTable.model_validate({"rules": twice})


def test_the_first_deciding_rule_wins_and_reviews_do_not_decide() -> None:
    rules = [
        rule("look", "review", ("amount", ">", 1)),
        rule("friend", "approve", ("customer_id", "in", ["anna"])),
        rule("large", "block", ("amount", ">", 100)),
    ]
    table = RuleTable.model_validate({"rules": rules})

    assert forced(table.hits({"amount": 500.0, "customer_id": "anna"})) == "approve"
    assert forced(table.hits({"amount": 500.0, "customer_id": "bert"})) == "block"
    assert forced(table.hits({"amount": 50.0, "customer_id": "bert"})) is None


def test_the_version_of_a_table_changes_with_its_rules() -> None:
    one = RuleTable.model_validate({"rules": [rule("r", "block", ("amount", ">", 5))]})
    other = RuleTable.model_validate({"rules": [rule("r", "block", ("amount", ">", 6))]})

    assert one.version != other.version
    assert one.version == RuleTable.model_validate(one.model_dump()).version


@given(shares, amounts)
def test_the_decision_is_the_cheapest(probability: float, amount: float) -> None:
    policy = CostPolicy()
    loss = policy.expected_loss(probability, amount)

    assert getattr(loss, policy.decide(loss)) == min(loss.approve, loss.review, loss.block)


@given(shares, shares, amounts)
def test_more_risk_is_never_treated_more_mildly(one: float, other: float, amount: float) -> None:
    policy, order = CostPolicy(), ("approve", "review", "block")
    low, high = sorted((one, other))
    mild, strict = (policy.decide(policy.expected_loss(p, amount)) for p in (low, high))

    assert order.index(mild) <= order.index(strict)


def test_calibration_meets_the_observed_shares() -> None:
    random = numpy_generator(1, "calibration")
    margins = random.normal(-3, 2, 20_000)
    truth = 1 / (1 + np.exp(-(0.5 * margins - 1)))
    fraud = random.random(20_000) < truth
    fitted = fit_isotonic(margins[:10_000], fraud[:10_000])
    probabilities = fitted.many(margins[10_000:])
    raw = 1 / (1 + np.exp(-margins[10_000:]))

    assert expected_calibration_error(probabilities, fraud[10_000:]) < 0.012
    assert expected_calibration_error(raw, fraud[10_000:]) > 0.05


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=40))
def test_a_calibration_rises_and_keeps_the_mean_of_separate_scores(
    made: list[tuple[int, bool]],
) -> None:
    margins = np.array([float(margin) for margin, _ in made])
    fraud = np.array([label for _, label in made])
    fitted = fit_isotonic(margins, fraud)
    probabilities = fitted.many(margins)

    assert (np.diff(probabilities[np.argsort(margins)]) >= 0).all()
    assert probabilities.mean() == pytest.approx(fraud.mean())
    assert [fitted(margin) for margin in margins] == pytest.approx(probabilities.tolist())


def test_a_calibration_that_falls_is_refused() -> None:
    with pytest.raises(ValidationError, match="rising"):
        Calibration(margins=(0, 1), probabilities=(0.5, 0.4))


def test_calibration_error_is_zero_for_the_truth_and_the_gap_for_a_constant() -> None:
    fraud = np.array([True, False, False, False])

    assert expected_calibration_error(np.full(4, 0.25), fraud) == 0
    assert expected_calibration_error(np.full(4, 0.75), fraud) == 0.5
    assert expected_calibration_error(np.full(4, 0.75), fraud, bins=1, equal_count=True) == 0.5
