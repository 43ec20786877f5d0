"""Drift, and the contest of models, on journals of thousands of payments."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.core.capability import Run, Setup
from models.core.errors import Conflict, Forbidden
from models.core.local_store import LocalArtifactStore
from models.core.seeds import numpy_generator
from models.core.weights import load_json, save_json
from models.fraud.cases_schema import (
    ChallengerRequest,
    ChallengerResult,
    DriftRequest,
    DriftResult,
    PromotionRequest,
    PromotionResult,
)
from models.fraud.drift import binned, stability_index
from models.fraud.features import DAY_S, NAMES
from models.fraud.journal import Entry, Journal
from models.fraud.model import FraudModel
from models.fraud.payments import Payment
from models.fraud.registry import Registry
from models.fraud.schema import FraudRequest, FraudResult
from models.fraud.scoring import FILE, WEIGHTS, TransactionModel
from models.fraud.velocity import Accepted

Build = Callable[..., FraudModel]
NOON_S = 1_772_366_400.0  # 2026-03-01


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Builds the capability on one folder, as a restarted replica would."""
    built: list[FraudModel] = []

    def model(**options: Any) -> FraudModel:
        store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
        setup = Setup(
            store=store, device="cpu", cache_dir=tmp_path, data_dir=tmp_path, options=options
        )
        built.append(FraudModel(setup, clock=lambda: NOON_S + 400 * DAY_S))
        return built[-1]

    yield model
    for each in built:
        each.close()


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights, half as sure of everything."""
    folder = tmp_path_factory.mktemp("challenger")
    content, _ = load_json(WEIGHTS, FILE)
    for tree in content["model"]["learner"]["gradient_booster"]["model"]["trees"]:
        pairs = zip(tree["split_conditions"], tree["left_children"], strict=True)
        tree["split_conditions"] = [value / 2 if child < 0 else value for value, child in pairs]
    content["version"] = f"{content['version']}-halved"
    save_json(folder, FILE, content)
    return folder


def stamp(model: FraudModel, number: int) -> str:
    """Of the model that judges a payment."""
    event = {
        "kind": "transaction",
        "event_id": f"s{number}",
        "at": "2026-03-01T00:00:00Z",
        "customer_id": "anna",
        "terminal_id": "kiosk",
        "amount": 10.0,
    }
    result = model.run(FraudRequest.model_validate(event), Run())
    assert isinstance(result, FraudResult)
    return result.models["transaction"].sha256 if result.models.get("transaction") else ""


@given(st.integers(0, 1000))
def test_the_same_population_does_not_drift(seed: int) -> None:
    random = numpy_generator(seed, "drift")
    bins = binned(random.normal(size=4000))

    assert stability_index(bins, random.normal(size=2000)) < 0.05
    assert stability_index(bins, random.normal(1.0, size=2000)) > 0.25
    assert stability_index(bins, np.full(2000, np.nan)) > 0.25


def filled(path: Path, count: int, *, fraud_every: int) -> None:
    """A journal of payments over twenty days that look like none in training, some reported."""
    random, journal = numpy_generator(0, "journal"), Journal(path)
    with journal.transaction("local"):
        for number in range(count):
            at_s = NOON_S + 20 * DAY_S * number / count
            made = Payment(f"e{number}", at_s, f"c{number % 200}", "t", 10_000)
            row = random.normal(size=len(NAMES))
            journal.append([Entry("local", Accepted(made, 1000), row.tolist())])
            if number % fraud_every == 0:
                journal.report("local", f"e{number}", True, at_s, "test")
    journal.close()


def test_payments_unlike_training_raise_alarms(build: Build, tmp_path: Path) -> None:
    filled(tmp_path / "payments.sqlite", 600, fraud_every=50)
    result = build().run(DriftRequest(), Run())

    assert isinstance(result, DriftResult)
    assert result.payments == 600
    assert result.reason is None
    assert "amount" in result.alarms
    assert result.shifts[0].psi >= result.shifts[-1].psi


def test_too_few_payments_tell_no_drift(build: Build) -> None:
    result = build().run(DriftRequest(), Run())

    assert isinstance(result, DriftResult)
    assert result.alarms == ()
    assert "too few" in str(result.reason)


def test_a_challenger_of_chance_is_compared_but_not_promoted(
    build: Build, tmp_path: Path, halved: Path
) -> None:
    filled(tmp_path / "payments.sqlite", 1500, fraud_every=30)
    model = build(challenger=str(halved))
    standing = model.run(ChallengerRequest(), Run())

    assert isinstance(standing, ChallengerResult)
    assert standing.comparison is not None
    assert not standing.comparison.wins
    with pytest.raises(Conflict, match="beyond chance"):
        model.run(PromotionRequest(action="promote"), Run())


def test_a_challenger_that_wins_is_promoted_lasts_and_can_be_rolled_back(
    build: Build, tmp_path: Path, halved: Path
) -> None:
    """The champion is the shipped model with its trees turned round: it is wrong throughout."""
    content, _ = load_json(WEIGHTS, FILE)
    for tree in content["model"]["learner"]["gradient_booster"]["model"]["trees"]:
        pairs = zip(tree["split_conditions"], tree["left_children"], strict=True)
        tree["split_conditions"] = [-value if child < 0 else value for value, child in pairs]
    save_json(tmp_path / "wrong", FILE, content)
    shipped = TransactionModel.load()
    random, journal = numpy_generator(0, "won"), Journal(tmp_path / "payments.sqlite")
    width = len(NAMES)
    rows = random.normal(size=(3000, width)).astype(np.float32) * 40
    margins = shipped.margins(rows)
    with journal.transaction("local"):
        for number, row in enumerate(rows):
            at_s = NOON_S + 20 * DAY_S * number / 3000
            made = Payment(f"e{number}", at_s, f"c{number % 300}", "t", 10_000)
            journal.append([Entry("local", Accepted(made, 1000), row.tolist())])
            if random.random() < shipped.calibration(float(margins[number])):
                journal.report("local", f"e{number}", True, at_s, "test")
    journal.close()
    options = {"weights": str(tmp_path / "wrong"), "challenger": str(WEIGHTS)}
    model, replica = build(**options), build(**options)
    before = stamp(model, 0)
    won = model.run(PromotionRequest(action="promote", sha256=shipped.sha256), Run())

    assert isinstance(won, PromotionResult)
    assert won.comparison is not None
    assert won.comparison.wins
    assert before != shipped.sha256 == won.sha256 == stamp(model, 1) == stamp(replica, 5)
    assert stamp(build(**options), 2) == shipped.sha256
    model.run(PromotionRequest(action="roll_back"), Run())
    assert stamp(model, 3) == stamp(build(**options), 4) == stamp(replica, 6) == before


def test_a_champion_lasts_without_the_folder_it_came_from(tmp_path: Path, halved: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for file in halved.iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    registry = Registry(tmp_path / "champions", WEIGHTS)
    promoted = registry.promote(source, TransactionModel.load(source).sha256)
    (source / FILE).unlink()

    assert Registry(tmp_path / "champions", WEIGHTS).champion().sha256 == promoted.sha256
    assert registry.roll_back().sha256 == TransactionModel.load().sha256
    with pytest.raises(Conflict, match="no other"):
        registry.roll_back()


def test_a_damaged_line_of_champions_degrades_and_says_so(build: Build, tmp_path: Path) -> None:
    (tmp_path / "champions").mkdir()
    (tmp_path / "champions" / "champions.json").write_text("{")
    model = build()

    assert stamp(model, 0) == ""
    assert "champions.json" in str(model.cards()[0].reason)


def test_tenants_may_not_exchange_the_model(build: Build) -> None:
    model = build(operators=["ops"])
    for request in (PromotionRequest(action="roll_back"), ChallengerRequest()):
        with pytest.raises(Forbidden):
            model.run(request, Run(owner="tenant"))


def test_another_challenger_than_the_one_looked_at_is_not_promoted(
    build: Build, halved: Path
) -> None:
    model = build(challenger=str(halved))

    with pytest.raises(Conflict, match="compare it again"):
        model.run(PromotionRequest(action="promote", sha256="0" * 64), Run())
