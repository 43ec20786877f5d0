"""Every crypto route over ASGI, without a network: the caller's candles, or an invented market."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from deployments.replica import ReplicaReport
from graphs.catalogue import CATALOGUE
from graphs.entry import Entry
from models.core.capability import Run, Setup
from models.core.errors import CapabilityError
from models.core.local_store import LocalArtifactStore
from models.crypto.model import CryptoModel
from tests.api.conftest import Api, InProcess

CRYPTO = tuple(entry for entry in CATALOGUE if entry.served_by == "crypto")
OFFLINE = {"sources": [], "feeds": {}, "fear_greed_url": "", "score_every_s": 0}
HOUR_MS = 3_600_000

pytestmark = pytest.mark.anyio


class CryptoBackend(InProcess):
    """Runs the crypto capability in this process."""

    def __init__(self, model: CryptoModel) -> None:
        self.model = model

    async def run(self, entry: Entry, request: object, owner: str, request_id: str) -> object:
        given = entry.request.model_validate(request)
        try:
            return self.model.run(given, Run(owner, request_id))
        except CapabilityError as error:
            return error

    async def report(self, name: str) -> ReplicaReport:
        return ReplicaReport(self.model.cards(), 0, 1.0, 0.0, "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CryptoModel]:
    folder: Path = tmp_path_factory.mktemp("crypto")
    store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
    setup = Setup(store=store, device="cpu", cache_dir=folder, data_dir=folder, options=OFFLINE)
    built = CryptoModel(setup)
    yield built
    built.close()


@pytest.fixture
async def client(model: CryptoModel, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    api = Api(store, CryptoBackend(model), max_body_bytes=2**20, catalogue=CRYPTO)
    async with api.client() as client:
        yield client


def own_bars(count: int) -> list[list[float]]:
    last_ms = int(1000 * time.time()) // HOUR_MS * HOUR_MS - HOUR_MS
    steps = 0.01 * np.random.default_rng(3).standard_normal(count)
    closes = 100 * np.exp(np.cumsum(steps))
    opens = np.concatenate([[100.0], closes[:-1]])
    rows = [
        last_ms - HOUR_MS * np.arange(count)[::-1],
        *(opens, 1.001 * np.maximum(opens, closes), 0.999 * np.minimum(opens, closes), closes),
        np.ones(count),
    ]
    return np.column_stack(rows).tolist()


async def answered(response: httpx.Response) -> dict:
    assert response.status_code == 200, response.text
    return response.json()


async def test_own_candles_are_forecast_and_a_bad_coin_spoils_nothing(client) -> None:
    asked = {
        "symbols": ["MINE", "no coin!", "FEW"],
        "candles": {"MINE": own_bars(400), "FEW": own_bars(50)},
        "horizon_steps": 5,
        "levels": [0.1, 0.5, 0.9],
    }
    first = await answered(await client.post("/api/v1/crypto/predict", json=asked))
    mine, bad, few = first["results"]
    again = (await answered(await client.post("/api/v1/crypto/predict", json=asked)))["results"][0]

    assert mine["provenance"]["source"] == "request"
    assert not mine["synthetic"]
    assert all(row == sorted(row) for row in mine["odds"]["quantiles_usd"])
    assert len(mine["odds"]["quantiles_usd"]) == len(mine["baseline"]["p_up"]) == 5
    assert any("short history" in word for word in mine["degraded"])
    assert (bad["outcome"], few["outcome"]) == ("refused", "refused")
    assert again["cached"]
    assert again["odds"] == mine["odds"]


async def test_without_a_network_a_forecast_says_that_its_market_is_invented(client) -> None:
    asked = {"symbol": "BTC", "horizon_steps": 24, "chart": "svg"}
    (made,) = (await answered(await client.post("/api/v1/crypto/predict", json=asked)))["results"]
    refused = await client.post("/api/v1/crypto/predict", json={**asked, "allow_synthetic": False})

    assert made["synthetic"]
    assert made["provenance"]["source"] == "synthetic"
    assert made["chart"]["media_type"] == "image/svg+xml"
    assert refused.status_code == 503


async def test_questions_about_a_coin(client) -> None:
    risk = await answered(await client.get("/api/v1/crypto/risk/ETH"))
    mood = await answered(await client.get("/api/v1/crypto/sentiment/BTC"))
    coins = await answered(await client.get("/api/v1/crypto/supported-coins?search=bitcoin"))
    card = await answered(await client.get("/api/v1/crypto/scorecard?market=request"))
    models = await answered(await client.get("/api/v1/crypto/models"))

    assert risk["synthetic"]
    assert risk["grade"] in "ABCDE"
    assert len(risk["tails"]) == 6
    assert mood["score"] is None
    assert mood["coverage"] == "none"
    assert "BTC" in [coin["symbol"] for coin in coins["coins"]]
    assert card["market"] == "request"
    assert {"har", "blend", "garch"} <= {each["name"] for each in models["models"]}


async def test_a_back_test_tells_served_and_raw_coverage(client) -> None:
    asked = {"symbol": "BTC", "origins": 50, "stride": 5, "horizons": 2}
    found = await answered(await client.post("/api/v1/crypto/backtest", json=asked))
    scores = {score["model"]: score for score in found["scores"]}
    odd = await client.post("/api/v1/crypto/backtest", json={**asked, "stride": 6})

    assert found["synthetic"]
    assert {"garch", "walk", "har"} <= set(scores)
    assert 0.5 < scores["har"]["coverage_80"] <= 1
    assert 0.5 < scores["har"]["raw_coverage_80"] <= 1
    assert odd.status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [{}, {"symbol": "BTC", "horizon_steps": 169}, {"symbol": "BTC", "levels": [0.9, 0.1]}],
)
async def test_impossible_questions_are_refused(client, wrong) -> None:
    assert (await client.post("/api/v1/crypto/predict", json=wrong)).status_code == 422
