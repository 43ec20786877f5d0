import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from pydantic import ValidationError

from models.core.capability import Run
from models.core.errors import Cancelled
from models.core.seeds import numpy_generator
from models.core.weights import save_json
from models.fraud.features import NAMES
from models.fraud.model import FraudModel
from models.fraud.schema import FraudRequest, FraudResult, Refusal, Verdict
from models.fraud.scoring import WEIGHTS, TransactionModel

Build = Callable[..., FraudModel]
ROWS = numpy_generator(3, "rows").standard_normal((200, len(NAMES))).astype(np.float32)


def event(number: int = 0, **other: Any) -> dict[str, Any]:
    day, hour = divmod(number, 24)
    return {
        "kind": "transaction",
        "event_id": f"e{number}",
        "at": f"2026-03-{day + 1:02d}T{hour:02d}:00:00Z",
        "customer_id": "anna",
        "terminal_id": "kiosk",
        "amount": 20.0,
        **other,
    }


def ask(model: FraudModel, *events: dict[str, Any], owner: str = "local") -> FraudResult:
    return model.run(FraudRequest.model_validate({"events": events}), Run(owner=owner))


def verdict(model: FraudModel, *events: dict[str, Any]) -> Verdict:
    answer = ask(model, *events).results[-1]
    assert isinstance(answer, Verdict)
    return answer


def rule(action: str, fact: str, operator: str, value: object) -> dict[str, Any]:
    when = [{"fact": fact, "operator": operator, "value": value}]
    return {"rules": [{"id": "r", "action": action, "when": when, "text": "because"}]}


def suspicious(model: FraudModel) -> Verdict:
    """A week of small payments, then a large one from a new device and country, at a new place."""
    past = [event(hour, device_id="phone", country="DE") for hour in range(0, 240, 8)]
    ask(model, *past)
    odd = {"amount": 300.0, "device_id": "x", "country": "BR", "terminal_id": "shop"}
    ask(model, *[event(240 + n, **{**odd, "at": f"2026-03-11T00:{n:02d}:00Z"}) for n in range(4)])
    return verdict(model, event(244, **{**odd, "at": "2026-03-11T00:05:00Z"}))


def test_habit_is_approved_with_approximate_reasons(build: Build) -> None:
    answer = verdict(build(), *[event(hour) for hour in range(0, 240, 8)])

    assert answer.decision == "approve"
    assert answer.decided_by == "model"
    assert answer.probability is not None
    assert answer.probability < 0.05
    assert all(reason.method == "path" for reason in answer.reasons)
    assert answer.memory is not None
    assert answer.memory.customer_payments_30d == 29
    assert not answer.memory.cold


def test_a_takeover_is_stopped_with_exact_reasons(build: Build) -> None:
    model = build()
    answer = suspicious(model)

    assert answer.decision in ("review", "block")
    assert answer.expected_loss is not None
    assert getattr(answer.expected_loss, answer.decision) <= answer.expected_loss.approve
    assert answer.reasons
    assert all(reason.method == "shapley" for reason in answer.reasons)
    assert all(reason.contribution > 0 for reason in answer.reasons)


def test_one_by_one_in_a_batch_and_after_a_restart_the_answers_agree(
    build: Build, tmp_path: Path
) -> None:
    events = [event(hour, amount=10 + hour % 7) for hour in range(200)]
    one = build(state=str(tmp_path / "one.sqlite"))
    single = [ask(one, each).results[0] for each in events[:100]]
    one.close()
    again = build(state=str(tmp_path / "one.sqlite"))
    single += [ask(again, each).results[0] for each in events[100:]]
    batch = ask(build(state=str(tmp_path / "other.sqlite")), *events).results

    for left, right in zip(single, batch, strict=True):
        assert isinstance(left, Verdict)
        assert isinstance(right, Verdict)
        assert left.score == pytest.approx(right.score, abs=1e-4)
        assert left.decision == right.decision
        assert left.memory == right.memory


def test_an_answer_passes_between_processes_unchanged(build: Build) -> None:
    flow = {"kind": "network_flow", "event_id": "f", "nsl_kdd": {"protocol_type": "tcp"}}
    refused, noted = event(1, amount=2), {"kind": "feedback", "event_id": "e1", "fraud": True}
    others = [flow, refused, {**noted, "reported_at": "2026-03-09T00:00:00Z"}]
    answer = ask(build(), *[event(n, amount=10.1 / (1 + n)) for n in range(40)], *others)

    assert pickle.loads(pickle.dumps(answer)) == answer
    assert {each.outcome for each in answer.results} == {"judged", "refused", "noted"}


def test_a_repeated_event_gets_the_same_answer_and_says_so(build: Build) -> None:
    model = build()
    first = verdict(model, event(1))
    later = verdict(model, event(2), event(1))

    assert later.duplicate
    assert later.model_copy(update={"duplicate": False}) == first


def test_a_bad_event_does_not_spoil_the_others(build: Build) -> None:
    bad = [event(2, amount=-1), {"kind": "unicorn"}, event(3, at="2026-03-01T00:00:00"), "text"]
    results = ask(build(), event(1), *bad, event(5)).results  # type: ignore[arg-type]

    assert [answer.outcome for answer in results] == ["judged", *["refused"] * 4, "judged"]
    assert isinstance(results[1], Refusal)
    assert "amount" in results[1].detail


def feedback(number: int, fraud: bool, day: int) -> dict[str, Any]:
    at = f"2026-03-{day:02d}T00:00:00Z"
    return {"kind": "feedback", "event_id": f"e{number}", "fraud": fraud, "reported_at": at}


def test_feedback_makes_later_payments_at_the_place_more_suspicious(
    build: Build, tmp_path: Path
) -> None:
    past = [event(hour, customer_id=f"c{hour}") for hour in range(0, 240, 24)]
    reports = [feedback(hour, fraud=True, day=11) for hour in range(0, 240, 24)]
    takes = [feedback(hour, fraud=False, day=12) for hour in range(0, 240, 24)]
    last = event(24 * 18, customer_id="bert")
    plain, reported, taken_back = (
        verdict(build(state=str(tmp_path / f"{name}.sqlite")), *past, *notes, last)
        for name, notes in (("a", []), ("b", reports), ("c", [*reports, *takes]))
    )

    assert reported.score is not None
    assert plain.score is not None
    assert reported.score > plain.score + 1
    assert taken_back.score == plain.score


def test_feedback_on_a_payment_that_nobody_sent_is_refused(build: Build) -> None:
    model = build()
    ask(model, event(1), owner="other")
    noted, refused = ask(model, event(2), feedback(2, True, 5), feedback(1, True, 5)).results[1:]

    assert noted.outcome == "noted"
    assert isinstance(refused, Refusal)
    assert refused.code == "unknown-event"


def test_an_event_of_the_future_is_refused(build: Build) -> None:
    (answer,) = ask(build(), event(1, at="2031-01-01T00:00:00Z")).results

    assert isinstance(answer, Refusal)
    assert "clock" in answer.detail


def test_an_id_used_for_another_payment_is_a_conflict(build: Build) -> None:
    first, other = ask(build(), event(1), event(1, amount=21.0)).results

    assert isinstance(first, Verdict)
    assert isinstance(other, Refusal)
    assert other.code == "conflict"


def test_a_single_event_needs_no_list_but_must_be_valid() -> None:
    assert len(FraudRequest.model_validate(event(1)).events) == 1
    with pytest.raises(ValidationError, match="amount"):
        FraudRequest.model_validate(event(1, amount=-1))
    with pytest.raises(ValidationError):
        FraudRequest.model_validate({"events": []})


@pytest.mark.parametrize("action", ["approve", "review", "block"])
def test_a_rule_decides_but_does_not_change_the_probability(
    build: Build, tmp_path: Path, action: str
) -> None:
    plain = verdict(build(state=str(tmp_path / "plain.sqlite")), event(1))
    ruled = verdict(build(rules=rule(action, "customer_id", "==", "anna")), event(1))

    assert ruled.decision == action
    assert ruled.probability == plain.probability
    assert [hit.id for hit in ruled.rules] == ["r"]
    assert ruled.decided_by == ("model" if action == "review" else "rule")


def test_rules_may_ask_for_features(build: Build) -> None:
    model = build(rules=rule("block", "customer_count_1h", ">=", 2))
    events = [
        event(0, event_id=f"x{minute}", at=f"2026-03-01T00:0{minute}:00Z") for minute in range(4)
    ]
    verdicts = [each for each in ask(model, *events).results if isinstance(each, Verdict)]

    assert [len(each.rules) for each in verdicts] == [0, 0, 1, 1]
    assert [each.decision for each in verdicts[2:]] == ["block", "block"]


def test_without_weights_everything_goes_to_review_and_the_card_says_why(
    build: Build, tmp_path: Path
) -> None:
    model = build(weights=str(tmp_path / "empty"))
    answer = verdict(model, event(1))

    assert (answer.decision, answer.decided_by) == ("review", "degraded")
    assert answer.probability is None
    assert answer.memory is not None
    card = model.cards()[0]
    assert not card.available
    assert card.reason is not None
    assert "manifest" in card.reason


def test_without_a_state_everything_goes_to_review_unless_a_rule_blocks(
    build: Build, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    model = build(
        state=str(tmp_path / "file" / "x.sqlite"), rules=rule("block", "amount", ">", 100)
    )
    small, large = ask(model, event(1), event(2, amount=500.0)).results

    assert isinstance(small, Verdict)
    assert isinstance(large, Verdict)
    assert (small.decision, large.decision) == ("review", "block")
    assert "state" in small.degraded[0]


def test_a_state_that_comes_back_is_used_again(build: Build, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    model = build(state=str(tmp_path / "folder" / "x.sqlite"))
    assert verdict(model, event(1)).decided_by == "degraded"
    (tmp_path / "folder").unlink()

    assert verdict(model, event(1)).decided_by == "model"


def test_a_caller_that_left_is_not_answered(build: Build) -> None:
    request = FraudRequest.model_validate(event(1))

    with pytest.raises(Cancelled):
        build().run(request, Run(cancelled=lambda: True))


def test_unknown_settings_and_rules_are_refused_at_the_start(build: Build) -> None:
    with pytest.raises(ValidationError, match="colour"):
        build(colour="red")
    with pytest.raises(ValidationError, match="amuont"):
        build(rules=rule("block", "amuont", ">", 1))


def test_weights_made_for_other_features_are_not_used(build: Build, tmp_path: Path) -> None:
    content = json.loads((WEIGHTS / "transactions.json").read_text())
    content["features"] = content["features"][1:]
    save_json(tmp_path / "other", "transactions.json", content)
    card = build(weights=str(tmp_path / "other")).cards()[0]

    assert not card.available
    assert "other features" in str(card.reason)


def test_weights_from_before_the_latest_features_answer_without_them() -> None:
    booster = xgboost.train(
        {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 3, "nthread": 1},
        xgboost.DMatrix(ROWS[:, :-2], ROWS[:, 0] > ROWS[:, 1]),
        5,
    )
    flat = {"margins": [-1.0, 1.0], "probabilities": [0.2, 0.4]}
    trees = json.loads(bytes(booster.save_raw("json")))
    content = {"version": "1", "features": NAMES[:-2], "calibration": flat, "model": trees}
    model = TransactionModel(content, "")
    many, one = model.scores(ROWS), model.score(ROWS[7])

    assert [each.margin for each in many] == pytest.approx(model.margins(ROWS).tolist(), abs=1e-5)
    assert one.margin == pytest.approx(many[7].margin, abs=1e-5)
    for told in (one.contributions, many[7].contributions, model.shapley(ROWS)[7]):
        assert told.shape == (len(NAMES) + 1,)
        assert (told[-3:-1] == 0).all()
        assert told.sum() == pytest.approx(one.margin, abs=1e-4)


def test_the_shipped_weights_are_small_and_described() -> None:
    model = TransactionModel.load()

    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) < 2 * 2**20
    assert model.version in (WEIGHTS / "MODEL_CARD.md").read_text()
