"""What is ordinary on one network, told by its owner."""

from pathlib import Path

import numpy as np
import pytest

from models.core.capability import Run
from models.core.errors import InvalidInput, ModelUnavailable
from models.core.seeds import numpy_generator
from models.fraud.flow_judge import OTHER_TRAFFIC, FlowJudge
from models.fraud.flow_schema import BaselineRequest, BaselineResult, NetworkFlow
from models.fraud.flow_scoring import FlowModel
from models.fraud.flow_site import LEAST_FLOWS, limited, ordinary_rows
from models.fraud.flow_state import FlowState
from models.fraud.flow_windows import WARM_FLOWS
from models.fraud.ordinary import Ordinary
from models.fraud.outcomes import IncidentCosts
from models.fraud.rules import RuleTable
from models.fraud.schema import Verdict
from models.fraud.shelf import Files
from models.fraud.surprise import joined, tails_of

COUNT = LEAST_FLOWS + WARM_FLOWS
LATER = 150


@pytest.fixture(scope="module")
def model() -> FlowModel:
    return FlowModel.load()


@pytest.fixture(scope="module")
def backups() -> list[NetworkFlow]:
    """A network that the generator does not know: it moves large files at all hours."""
    random = numpy_generator(1, "backups")
    return [
        NetworkFlow.model_validate(
            {
                "kind": "network_flow",
                "event_id": f"b{number}",
                "zeek": {
                    "ts": 1_767_225_600.0 + 30 * number,
                    "id.orig_h": f"10.0.0.{number % 7}",
                    "id.orig_p": int(random.integers(30_000, 60_000)),
                    "id.resp_h": f"10.9.0.{number % 5}",
                    "id.resp_p": 873,
                    "proto": "tcp",
                    "duration": float(random.lognormal(6, 1)),
                    "orig_bytes": float(random.lognormal(21, 1)),
                    "resp_bytes": float(random.lognormal(12, 1)),
                    "conn_state": "SF",
                },
            }
        )
        for number in range(COUNT + WARM_FLOWS + LATER)
    ]


def judge_of(model: FlowModel | None, folder: Path) -> FlowJudge:
    return FlowJudge(model, RuleTable(), IncidentCosts(), Files(folder), FlowState())


@pytest.fixture(scope="module")
def learned(
    model: FlowModel, backups: list[NetworkFlow], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, BaselineResult]:
    folder = tmp_path_factory.mktemp("baselines")
    return folder, judge_of(model, folder).learn(
        BaselineRequest(flows=tuple(backups[:COUNT])), Run(owner="depot")
    )


def test_the_owner_is_told_what_the_flows_changed(learned: tuple[Path, BaselineResult]) -> None:
    _, result = learned

    assert result.flows == LEAST_FLOWS
    assert result.alarms_before > 0.5
    assert result.budget == 0.01


def test_later_flows_of_that_network_keep_the_budget_and_other_owners_limits_stay(
    model: FlowModel, backups: list[NetworkFlow], learned: tuple[Path, BaselineResult]
) -> None:
    judge = judge_of(model, learned[0])  # as after a restart
    shares = {}
    for owner in ("depot", "other"):
        verdicts = [
            each for each in judge.judge(backups[COUNT:], owner) if isinstance(each, Verdict)
        ]
        told = {each.degraded for each in verdicts}
        shares[owner] = np.mean([each.decision != "approve" for each in verdicts[WARM_FLOWS:]])

        assert told == {() if owner == "depot" else (OTHER_TRAFFIC,)}
    assert shares["depot"] < 0.06
    assert shares["other"] > 0.5


def test_what_was_told_to_another_model_does_not_count(
    model: FlowModel,
    backups: list[NetworkFlow],
    learned: tuple[Path, BaselineResult],
    tmp_path: Path,
) -> None:
    (file,) = learned[0].iterdir()
    for name, text in (("old", file.read_text().replace(model.sha256, "0" * 64)), ("torn", "{")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / file.name).write_text(text)
        (verdict,) = judge_of(model, folder).judge(backups[:1], "depot")

        assert isinstance(verdict, Verdict)
        assert verdict.degraded == (OTHER_TRAFFIC,)


def test_too_few_flows_are_refused(backups: list[NetworkFlow]) -> None:
    with pytest.raises(
        InvalidInput, match=f"at least {LEAST_FLOWS} flows.*found {LEAST_FLOWS - 1}"
    ):
        ordinary_rows(backups[: COUNT - 1])


def test_without_a_model_no_limit_can_be_set(backups: list[NetworkFlow], tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        judge_of(None, tmp_path).learn(BaselineRequest(flows=(backups[0],)), Run())


def test_the_limit_leaves_the_budgeted_share_above_it(model: FlowModel) -> None:
    scores = numpy_generator(2, "scores").standard_normal((4_000, 4))
    site = limited(model.trained.ordinary, scores, 0.01)

    above = joined(tails_of(scores, site.tails)) > site.limit
    assert above.mean() == pytest.approx(0.01, abs=0.001)


def test_a_number_that_no_ordinary_flow_tells_keeps_the_scale_of_training(
    model: FlowModel, backups: list[NetworkFlow]
) -> None:
    rows, trained = ordinary_rows(backups[:COUNT]), model.trained.ordinary
    learned = Ordinary.of(rows, trained)
    untold = np.isnan(rows[:, : len(trained.mean)]).all(0)

    assert untold.any()
    assert (learned.mean[untold] == trained.mean[untold]).all()
    assert (learned.deviation[~untold] != trained.deviation[~untold]).all()
    assert (learned.nearest(learned.references)[1] == 0).all()
