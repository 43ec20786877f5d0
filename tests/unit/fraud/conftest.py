from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.core.capability import Setup
from models.core.local_store import LocalArtifactStore
from models.fraud.flow_scoring import FlowModel
from models.fraud.journal import Journal
from models.fraud.market_scoring import MarketModel
from models.fraud.model import FraudModel
from models.fraud.payments import Payment
from models.fraud.scoring import WEIGHTS, TransactionModel

DAY_S = 86_400.0
NOON_S = 1_767_268_800.0  # 2026-01-01 12:00 UTC, a Thursday
Pay = Callable[..., Payment]


@pytest.fixture(scope="package", autouse=True)
def shipped_weights_are_read_once() -> Iterator[None]:
    """A model of weights never changes, so that all tests may have the same one."""

    def sharing(load: Callable[[Path], Any]) -> Callable[[Path], Any]:
        shared = cache(load)
        return lambda folder=WEIGHTS: (shared if folder == WEIGHTS else load)(folder)

    with pytest.MonkeyPatch.context() as patch:
        for model in (TransactionModel, FlowModel, MarketModel):
            patch.setattr(model, "load", sharing(model.load))
        yield


@pytest.fixture
def pay() -> Pay:
    """Payments with ids in a row, unless told otherwise."""
    made: list[Payment] = []

    def payment(days: float = 0.0, amount: float = 10.0, **other: Any) -> Payment:
        given = {
            "event_id": f"e{len(made)}",
            "at_s": NOON_S + days * DAY_S,
            "customer": "anna",
            "terminal": "kiosk",
            "cents": round(100 * amount),
            **other,
        }
        made.append(Payment(**given))
        return made[-1]

    return payment


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "payments.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., FraudModel]]:
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
