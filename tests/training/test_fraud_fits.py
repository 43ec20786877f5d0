import csv
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.core.errors import InvalidInput
from models.fraud import train as train_module
from models.fraud import training
from models.fraud.generator import Labelled, Town, generate
from models.fraud.network import FlowEncoder
from models.fraud.scoring import TransactionModel
from models.fraud.train import read_payments, train


@pytest.fixture(scope="session")
def town() -> list[Labelled]:
    """A small town with enough fraud to learn from."""
    return generate(Town(customers=150, terminals=60, days=70, stolen_per_day=1.5), 5)


def write(path: Path, town: list[Labelled]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = (
            "event_id",
            "at",
            "customer_id",
            "terminal_id",
            "amount",
            "fraud",
            "device_id",
            "country",
        )
        writer.writerow(names)
        for payment, scenario in town:
            at = datetime.fromtimestamp(payment.at_s, UTC).isoformat()
            amount = payment.cents / 100
            writer.writerow(
                (
                    payment.event_id,
                    at,
                    payment.customer,
                    payment.terminal,
                    amount,
                    int(bool(scenario)),
                    payment.device,
                    payment.country,
                )
            )


def test_a_town_is_the_same_for_the_same_seed_and_in_order_of_time(town: list[Labelled]) -> None:
    small = Town(customers=40, terminals=20, days=30)

    assert generate(small, 3) == generate(small, 3)
    assert generate(small, 3) != generate(small, 4)
    times = [payment.at_s for payment, _ in town]
    assert times == sorted(times)


def test_a_town_has_every_kind_of_fraud_and_few_of_them(town: list[Labelled]) -> None:
    kinds = Counter(scenario for _, scenario in town)

    assert set(kinds) == {
        "",
        "stolen_card",
        "cloned_at_terminal",
        "card_testing",
        "cash_out",
        "account_takeover",
    }
    assert kinds[""] > 0.7 * len(town)


def test_a_file_is_read_as_it_was_written(tmp_path: Path, town: list[Labelled]) -> None:
    write(tmp_path / "town.csv", town[:200])

    expected = [(payment, bool(scenario)) for payment, scenario in town[:200]]
    assert list(read_payments(tmp_path / "town.csv")) == expected


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T00:00:00"])
def test_a_bad_line_is_named(tmp_path: Path, at: str) -> None:
    header = "event_id,at,customer_id,terminal_id,amount,fraud"
    (tmp_path / "bad.csv").write_text(f"{header}\ne1,{at},c,t,5,0\n")

    with pytest.raises(InvalidInput, match="line 2"):
        list(read_payments(tmp_path / "bad.csv"))


def test_training_learns_and_writes_weights_that_load(
    tmp_path: Path, town: list[Labelled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TREES", 15)
    monkeypatch.setitem(training.PARAMETERS, "max_bin", 32)
    labelled = [(payment, bool(scenario)) for payment, scenario in town]
    figures = train(labelled, tmp_path / "weights", source="a test", seed=0)

    model = TransactionModel.load(tmp_path / "weights")
    assert figures["average_precision"] > 2 * figures["frauds"] / figures["payments"]
    assert model.version.startswith(f"{train_module.VERSION}-2026-03")
    assert "a test" in (tmp_path / "weights" / "MODEL_CARD.md").read_text()
    assert json.loads((tmp_path / "weights" / "manifest.json").read_text())["files"]


def test_too_little_to_learn_from_is_said(tmp_path: Path, town: list[Labelled]) -> None:
    labelled = [(payment, False) for payment, _ in town[:500]]

    with pytest.raises(InvalidInput, match="too few frauds"):
        train(labelled, tmp_path, source="a test", seed=0)


def test_a_value_that_was_never_seen_is_all_zeros() -> None:
    seen = {"bytes": np.array([1, 2]), "service": np.array(["dns", "http"])}
    encode = FlowEncoder.fit(seen, ("service",))
    rows = encode({"bytes": np.array([7]), "service": np.array(["gopher"])})

    assert rows.tolist() == [[7, 0, 0]]
    assert encode(seen).tolist() == [[1, 1, 0], [2, 0, 1]]
