"""Network and market models are learned, written, and served as they were learned."""

from pathlib import Path

import numpy as np
import pytest

from models.core.errors import InvalidInput, ModelUnavailable
from models.core.seeds import numpy_generator
from models.core.weights import load_json, save_json
from models.fraud import train_market
from models.fraud.flow_maker import Network
from models.fraud.flow_rows import row_of_nsl_kdd
from models.fraud.flow_schema import NslKdd
from models.fraud.flow_scoring import FILE, FlowModel
from models.fraud.market_scoring import MarketModel
from models.fraud.network import NetworkModel
from models.fraud.scoring import WEIGHTS
from models.fraud.train_flows import KDD_ORDER, generated_days, read_flows, train_flows

LINE = ["0", "tcp", "http", "SF", "181", "5450"]


def test_an_unseen_attack_raises_an_alarm_within_the_budget() -> None:
    random = numpy_generator(0, "flows")
    normal = random.normal(3, 1, (1500, 24))
    known = random.normal(3, 1, (200, 24)) + np.eye(24)[0] * 8
    new = random.normal(3, 1, (100, 24)) + np.eye(24)[5] * 60
    rows = np.vstack([normal[:1000], known])
    model = NetworkModel(rows, np.arange(1200) >= 1000, 24, folds=2)

    assert model.alarms(known).mean() > 0.95
    assert model.alarms(new).mean() > 0.9
    assert model.alarms(normal[1000:]).mean() < 0.1


def test_a_network_model_is_served_as_it_was_fitted(tmp_path: Path) -> None:
    """`train_flows` itself refuses weights whose detectors differ from the fitted ones."""
    rows, names = generated_days(Network(sessions=150, attacks=1), (1,))
    figures = train_flows(rows, names, tmp_path, source="test", seed=1)
    model = FlowModel.load(tmp_path)

    assert figures["roc_auc"] > 0.95
    assert figures["flows"] < len(rows)
    assert "generated" in (tmp_path / "FLOWS_CARD.md").read_text()
    assert model.scores(rows[:3])[0].score >= 0


def test_too_few_flows_are_not_learned_from(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        train_flows(np.zeros((10, 3)), np.full(10, "normal"), tmp_path, source="test", seed=0)


def test_nsl_kdds_own_text_and_a_table_with_names_are_read_alike(tmp_path: Path) -> None:
    numbers = [str(n % 2) for n in range(len(KDD_ORDER) - len(LINE))]
    cells = [*LINE, *numbers, "neptune"]
    (tmp_path / "plain.txt").write_text(",".join([*cells, "21"]) + "\n")
    (tmp_path / "named.csv").write_text(
        ",".join([*KDD_ORDER, "label"]) + "\n" + ",".join(cells) + "\n"
    )
    plain, named = read_flows(tmp_path / "plain.txt"), read_flows(tmp_path / "named.csv")
    row = row_of_nsl_kdd(NslKdd.model_validate(dict(zip(KDD_ORDER, cells, strict=False))))

    assert plain[0] == pytest.approx(named[0])
    assert plain[0][0] == pytest.approx(row)
    assert plain[1].tolist() == named[1].tolist() == ["neptune"]


def test_a_bad_line_of_flows_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("duration,protocol_type,label\n-1,tcp,normal\n")

    with pytest.raises(InvalidInput, match="line 2"):
        read_flows(tmp_path / "bad.csv")


def test_market_models_are_learned_from_few_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_market, "TREES", dict.fromkeys(train_market.TREES, 10))
    figures = train_market.train_market(tmp_path, seed=3, days=16)
    model = MarketModel.load(tmp_path)

    assert figures["wash_trading_recall"] > 0.8
    assert len(model["pump"].features) == 14


def test_damaged_weights_are_not_served(tmp_path: Path) -> None:
    for file, load in ((FILE, FlowModel.load), ("market.json", MarketModel.load)):
        content, _ = load_json(WEIGHTS, file)
        for broken in ({"version": "1"}, {**content, "trees": {"type": "|u1"}, "pump": 1}):
            save_json(tmp_path, file, broken)
            with pytest.raises(ModelUnavailable):
                load(tmp_path)
