import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fraud.features import LABEL_DELAY_S, NAMES
from models.fraud.history import HISTORY_S, History, Past
from models.fraud.payments import Payment
from models.fraud.reasons import TEXTS, UNKNOWN, reasons_of
from models.fraud.stream import streamed_features
from models.fraud.velocity import Accepted, Velocity
from tests.unit.fraud.conftest import DAY_S, NOON_S, Pay

pasts = st.lists(
    st.tuples(st.integers(0, 80 * 86_400), st.integers(1, 10**7), st.integers(0, 10**6)),
    max_size=40,
)


def named(velocity: Velocity, payment: Payment) -> dict[str, float]:
    return dict(zip(NAMES, velocity.features(payment)[0], strict=True))


def take(velocity: Velocity, *payments: Payment) -> list[Accepted]:
    accepted = []
    for payment in payments:
        accepted.append(velocity.features(payment)[1])
        velocity.accept(accepted[-1])
    return accepted


def test_every_feature_has_a_reason_to_give() -> None:
    assert tuple(TEXTS) == NAMES


def test_a_reason_says_in_words_what_is_not_known_and_what_is_not_so(pay: Pay) -> None:
    values = Velocity().features(pay(amount=12.5))[0]
    told = {
        reason.feature: reason.text
        for i in range(len(NAMES))
        for reason in reasons_of(values, [float(i == j) for j in range(len(NAMES))], "path")
    }

    assert set(UNKNOWN) <= {code for code, _ in TEXTS.values()} | set(TEXTS)
    assert tuple(told) == NAMES
    assert not any("nan" in text or "_" in text for text in told.values())
    assert told["customer_ratio"].startswith("too few earlier payments of the customer")
    assert told["weekend"] == "it is not the weekend"


def test_a_first_payment_knows_only_itself(pay: Pay) -> None:
    values = named(Velocity(), pay(amount=12.5))

    assert values["amount"] == 12.5
    assert values["hour"] == 12
    assert values["weekend"] == 0
    assert values["customer_count_30d"] == values["terminal_count_1d"] == 0
    assert math.isnan(values["customer_ratio"])
    assert math.isnan(values["terminal_risk_7d"])


def test_windows_count_and_average_what_lies_in_them(pay: Pay) -> None:
    velocity = Velocity()
    take(velocity, pay(-20, 40), pay(-3, 10), pay(-2, 20), pay(-0.5, 30), pay(-0.01, 60))
    values = named(velocity, pay(0, 100))

    assert [values[f"customer_count_{w}"] for w in ("1h", "6h", "1d", "7d", "30d")] == [
        1,
        1,
        2,
        4,
        5,
    ]
    assert values["customer_mean_1d"] == 45
    assert values["customer_mean_7d"] == 30
    assert values["customer_mean_30d"] == 32
    assert values["customer_gap_h"] == pytest.approx(0.24)
    assert values["terminal_known_30d"] == 1


def test_an_odd_amount_does_not_become_usual(pay: Pay) -> None:
    velocity = Velocity()
    take(velocity, *(pay(day, 10) for day in range(-9, -1)), pay(-1, 1000))
    values = named(velocity, pay(0, 30))

    assert values["customer_ratio"] == 3
    assert values["customer_odd_14d"] == 1
    assert values["customer_ratio_60d"] < 1


def test_the_future_does_not_influence_a_late_payment(pay: Pay) -> None:
    before, after = Velocity(), Velocity()
    early = [pay(-5, 10), pay(-4, 11), pay(-3, 12)]
    take(before, *early)
    take(after, *early, pay(2, 500), pay(3, 700))
    late = pay(0, 50)

    assert before.features(late)[0] == pytest.approx(after.features(late)[0], nan_ok=True)


def test_a_fraud_counts_seven_days_later_however_soon_it_is_reported(pay: Pay) -> None:
    velocity = Velocity()
    (fraud,) = take(velocity, pay(0, 10))
    velocity.report_fraud(fraud, NOON_S + 60)

    assert named(velocity, pay(6.9))["terminal_frauds"] == 0
    assert named(velocity, pay(7.0))["terminal_frauds"] == 1
    assert named(velocity, pay(7.0))["customer_frauds"] == 1
    assert named(velocity, pay(7.5))["terminal_risk_1d"] == 1


def test_a_late_report_counts_from_when_it_came(pay: Pay) -> None:
    velocity = Velocity()
    (fraud,) = take(velocity, pay(0, 10))
    velocity.report_fraud(fraud, NOON_S + 30 * DAY_S)

    assert named(velocity, pay(29))["terminal_frauds"] == 0
    assert named(velocity, pay(30))["terminal_frauds"] == 1


def test_a_run_of_ordinary_frauds_speaks_against_the_terminal(pay: Pay) -> None:
    velocity = Velocity()
    for day in (0, 1, 2, 40):
        (fraud,) = take(velocity, pay(day, 10, customer=f"c{day}"))
        velocity.report_fraud(fraud, NOON_S + day * DAY_S)

    values = named(velocity, pay(12))
    assert (values["terminal_run_frauds"], values["terminal_run_start_days"]) == (3, 12)
    values = named(velocity, pay(50))
    assert (values["terminal_run_frauds"], values["terminal_run_start_days"]) == (1, 10)


def test_what_cannot_be_known_yet_and_when_a_run_began_at_the_earliest(pay: Pay) -> None:
    velocity = Velocity()
    for day in (-30, -12, -10, -9, -3):
        (taken,) = take(velocity, pay(day, 10, customer=f"c{day}"))
        if day in (-10, -9):
            velocity.report_fraud(taken, NOON_S + day * DAY_S)
    values = named(velocity, pay(0))

    assert values["terminal_run_start_days"] == 10
    assert values["terminal_fine_before_run_days"] == 12
    assert values["terminal_unknown_days"] == 9
    assert named(velocity, pay(-1.5))["terminal_unknown_days"] == 7.5
    assert math.isnan(named(Velocity(), pay(0))["terminal_unknown_days"])


def test_a_device_is_new_once(pay: Pay) -> None:
    velocity = Velocity()
    take(velocity, pay(-2, device="phone"))

    assert named(velocity, pay(0, device="phone"))["customer_new_device"] == 0
    assert named(velocity, pay(0, device="other"))["customer_new_device"] == 1
    assert math.isnan(named(velocity, pay(0))["customer_new_device"])


@given(pasts, st.randoms())
def test_sums_do_not_depend_on_the_order_of_arrival(
    made: list[tuple[int, int, int]], random: object
) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = History(), History()
    for past in made:
        one.add(Past(*past))
    for past in shuffled:
        other.add(Past(*past))

    assert one.times == other.times
    count = len(made)
    for start in {0, count // 2}:
        at = one.times[start] if start < count else 0
        here, there = one.since(at, count), other.since(at, count)
        assert one.odd(here, count) == other.odd(there, count)
        assert one.mean(here, count) == pytest.approx(other.mean(there, count), nan_ok=True)
        assert one.usual(here, count) == pytest.approx(other.usual(there, count), nan_ok=True)


@given(st.lists(st.integers(1, 10**6), min_size=3, max_size=30))
def test_mean_and_deviation_are_those_of_the_amounts(cents: list[int]) -> None:
    history = History()
    for number, amount in enumerate(cents):
        history.add(Past(number, amount, 1000))
    mean = sum(cents) / len(cents)
    variance = sum((amount - mean) ** 2 for amount in cents) / len(cents)

    assert history.mean(0, len(cents)) == pytest.approx(mean)
    assert history.deviation(0, len(cents)) == pytest.approx(
        math.sqrt(variance), rel=1e-6, abs=1e-3
    )


def test_forgetting_what_is_too_old_changes_nothing(pay: Pay) -> None:
    long, short = Velocity(), Velocity()
    payments = [pay(day, 10 + day % 7) for day in range(400)]
    take(long, *payments)
    take(short, *(p for p in payments if p.at_s >= NOON_S + 400 * DAY_S - 2 * HISTORY_S))
    last = pay(400, 33)

    assert long.features(last)[0] == pytest.approx(short.features(last)[0], nan_ok=True)
    assert len(long._customers["anna"].times) < 300


def test_training_sees_the_features_that_serving_computes(pay: Pay) -> None:
    labelled = [
        (pay(day / 3, 10 + day % 5, terminal=f"t{day % 2}", customer=f"c{day % 3}"), day % 11 == 0)
        for day in range(90)
    ]
    trained = streamed_features(labelled)
    velocity, waiting = Velocity(), list[tuple[float, Accepted]]()
    for row, (payment, fraud) in zip(trained, labelled, strict=True):
        for report in [w for w in waiting if w[0] <= payment.at_s]:
            velocity.report_fraud(report[1], report[0] - LABEL_DELAY_S)
            waiting.remove(report)
        (accepted,) = [velocity.features(payment)]
        assert row.tolist() == pytest.approx(accepted[0], nan_ok=True, rel=1e-6)
        velocity.accept(accepted[1])
        if fraud:
            waiting.append((payment.at_s + LABEL_DELAY_S, accepted[1]))

    assert trained[:, NAMES.index("terminal_frauds")].max() > 0
