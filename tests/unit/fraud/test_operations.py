"""Feedback, cases, drift, and the contest of models: what operators do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from models.core.capability import Run
from models.core.errors import Cancelled, UnknownAsset
from models.core.seeds import numpy_generator
from models.fraud.cases_schema import (
    CaseRequest,
    CasesRequest,
    CasesResult,
    FeedbackRequest,
    FeedbackResult,
)
from models.fraud.challenge import Judged, average_precision, compare
from models.fraud.costs import CostPolicy
from models.fraud.drift import Bins, stability_index
from models.fraud.model import FraudModel
from models.fraud.schema import FraudRequest, FraudResult

Build = Callable[..., FraudModel]
REVIEWING = {
    "rules": [
        {
            "id": "look",
            "action": "review",
            "when": [{"fact": "amount", "operator": ">", "value": 100}],
            "text": "large",
        }
    ]
}


def payment(number: int, amount: float = 500.0) -> dict[str, Any]:
    return {
        "kind": "transaction",
        "event_id": f"e{number}",
        "at": f"2026-03-01T{number % 24:02d}:00:00Z",
        "customer_id": f"c{number}",
        "terminal_id": "kiosk",
        "amount": amount,
    }


def judge(model: FraudModel, *events: dict[str, Any], owner: str = "local") -> FraudResult:
    result = model.run(FraudRequest.model_validate({"events": events}), Run(owner=owner))
    assert isinstance(result, FraudResult)
    return result


def cases(model: FraudModel, owner: str = "local", **asked: Any) -> CasesResult:
    result = model.run(CasesRequest(**asked), Run(owner=owner))
    assert isinstance(result, CasesResult)
    return result


def report(number: int, fraud: bool, **other: Any) -> FeedbackRequest:
    given = {"event_id": f"e{number}", "fraud": fraud, "reported_at": "2026-03-09T00:00:00Z"}
    return FeedbackRequest.model_validate({"reports": [{**given, **other}]})


def test_what_goes_to_review_becomes_a_case_once_and_outlives_the_process(build: Build) -> None:
    model = build(rules=REVIEWING)
    judge(model, payment(0), payment(1))
    judge(model, payment(0))
    model.close()
    found = cases(build(rules=REVIEWING)).cases
    (case,) = [each for each in found if each.event_id == "e0"]

    assert (case.event_id, case.kind, case.status) == ("e0", "transaction", "open")
    assert case.at_stake is not None


def test_pages_hold_every_case_once_newest_first(build: Build) -> None:
    model = build(rules=REVIEWING)
    judge(model, *[payment(number) for number in range(7)])
    found, cursor = [], None
    while True:
        page = cases(model, limit=3, cursor=cursor)
        found += [case.event_id for case in page.cases]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [f"e{number}" for number in reversed(range(7))]


def test_a_report_closes_the_case_and_a_later_one_corrects_it(build: Build) -> None:
    model = build(rules=REVIEWING)
    judge(model, payment(0), payment(1))
    noted = model.run(report(0, fraud=True, source="issuer"), Run())
    closed = cases(model, status="fraud").cases
    model.run(report(0, fraud=False), Run())

    assert isinstance(noted, FeedbackResult)
    assert noted.results[0].outcome == "noted"
    assert [case.event_id for case in closed] == ["e0"]
    assert closed[0].source == "issuer"
    assert cases(model, status="legitimate").cases[0].event_id == "e0"
    assert cases(model).open == 1


def test_a_case_is_told_with_its_verdict_and_to_its_owner_alone(build: Build) -> None:
    model = build(rules=REVIEWING)
    (verdict,) = judge(model, payment(0)).results
    case_id = cases(model).cases[0].case_id
    detail = model.run(CaseRequest(case_id=case_id), Run())

    assert detail.verdict == verdict  # type: ignore[union-attr]
    assert cases(model, owner="other").cases == ()
    with pytest.raises(UnknownAsset):
        model.run(CaseRequest(case_id=case_id), Run(owner="other"))


def test_a_report_on_a_flow_that_was_approved_is_refused(build: Build) -> None:
    answer = build().run(report(0, fraud=True, kind="network_flow"), Run())

    assert isinstance(answer, FeedbackResult)
    assert answer.results[0].outcome == "refused"


def test_cases_that_cannot_be_written_are_told(build: Build, tmp_path: Path) -> None:
    (tmp_path / "cases.sqlite").mkdir()
    model = build(rules=REVIEWING)
    (verdict,) = judge(model, payment(0)).results

    assert verdict.decision != "approve"  # type: ignore[union-attr]
    assert "no case" in verdict.degraded[-1]  # type: ignore[union-attr]
    assert "cases.sqlite" in str(model.cards()[0].reason)


def test_events_of_every_kind_share_a_request(build: Build) -> None:
    flow = {
        "protocol_type": "tcp",
        "service": "http",
        "flag": "SF",
        "duration": 1,
        "src_bytes": 300,
        "dst_bytes": 4000,
    }
    order = {"at_ms": 1, "account": "a", "order_id": "o", "action": "place", "side": "buy"}
    trade = {"at_ms": 1, "price": 1, "amount": 1, "taker_buy": True}
    result = judge(
        build(),
        payment(0),
        {"kind": "network_flow", "event_id": "f", "nsl_kdd": flow},
        {"kind": "network_flow", "event_id": "g", "nsl_kdd": {**flow, "duration": -1}},
        {"kind": "market_trades", "event_id": "m", "symbol": "X", "trades": [trade]},
        {"kind": "order_book", "event_id": "o", "symbol": "X", "orders": [{**order, "amount": 1}]},
    )

    assert [each.outcome for each in result.results] == [
        "judged",
        "judged",
        "refused",
        "judged",
        "judged",
    ]
    assert set(result.models) == {"transaction", "network_flow", "market_trades", "order_book"}


def test_the_stability_index_is_what_the_formula_gives() -> None:
    bins = Bins(edges=(0.0,), shares=(0.5, 0.5, 0.0))
    values = np.r_[np.full(800_000, -1.0), np.full(200_000, 1.0)]

    assert stability_index(bins, values) == pytest.approx(
        (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5), abs=1e-4
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60))
def test_average_precision_is_scikit_learns(pairs: list[tuple[float, bool]]) -> None:
    margins = np.array([m for m, _ in pairs]) + 1e-6 * np.arange(len(pairs))
    fraud = np.array([f for _, f in pairs])
    if not fraud.any() or len(np.unique(margins)) < len(margins):
        return
    found = average_precision(np.argsort(-margins), fraud, np.ones(len(fraud)))

    assert found == pytest.approx(average_precision_score(fraud, margins))


def contest(better: float) -> tuple[Judged, Judged, np.ndarray, np.ndarray, np.ndarray]:
    """A champion that sees a little, and a challenger that sees so much more."""
    random = numpy_generator(1, "contest")
    fraud = random.random(4000) < 0.05
    noise = random.normal(size=4000)
    margins = [  # the log-odds of two normal distributions so far apart
        apart * (apart * fraud + noise) - apart**2 / 2 + np.log(0.05 / 0.95)
        for apart in (2.0, 2.0 + better)
    ]
    both = [Judged(m, 1 / (1 + np.exp(-m))) for m in margins]
    return both[0], both[1], fraud, np.full(4000, 100.0), random.integers(0, 500, 4000)


def test_only_a_challenger_that_is_better_beyond_chance_wins() -> None:
    for better, wins in ((1.5, True), (0.0, False), (-1.0, False)):
        found = compare(*contest(better), CostPolicy(), days=20, check=lambda: None)

        assert found.wins is wins
        assert found.average_precision.low <= found.average_precision.gain
        assert found.average_precision.gain <= found.average_precision.high


def test_a_comparison_ends_when_the_caller_leaves() -> None:
    def leave() -> None:
        raise Cancelled("gone")

    with pytest.raises(Cancelled):
        compare(*contest(1.0), CostPolicy(), days=20, check=leave)
