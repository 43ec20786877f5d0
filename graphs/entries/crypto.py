"""What the crypto capability serves."""

from typing import Final

from graphs.entry import Entry
from models.crypto.holding import held_until_next_bar
from models.crypto.reports import (
    BacktestRequest,
    BacktestResult,
    CoinsRequest,
    CoinsResult,
    RiskRequest,
    RiskResult,
    ScorecardRequest,
    ScorecardResult,
    SentimentRequest,
    SentimentResult,
)
from models.crypto.schema import PredictRequest, PredictResult

ENTRIES: Final[tuple[Entry, ...]] = (
    Entry(
        name="crypto",
        title="Crypto: calibrated odds of a price, its record and an honest baseline beside them",
        route="/api/v1/crypto/predict",
        model="models.crypto.model:CryptoModel",
        request=PredictRequest,
        result=PredictResult,
        holds=held_until_next_bar,
        example={"symbol": "BTC", "horizon_steps": 24},
    ),
    Entry(
        name="crypto_sentiment",
        deployment="crypto",
        method="GET",
        title="What people say of a coin, source by source",
        route="/api/v1/crypto/sentiment/{symbol}",
        model="models.crypto.model:CryptoModel",
        request=SentimentRequest,
        result=SentimentResult,
        example={"symbol": "BTC", "window_h": 24},
    ),
    Entry(
        name="crypto_risk",
        deployment="crypto",
        method="GET",
        title="Value at risk, expected shortfall and a grade, tested on the coin's own past",
        route="/api/v1/crypto/risk/{symbol}",
        model="models.crypto.model:CryptoModel",
        request=RiskRequest,
        result=RiskResult,
        example={"symbol": "ETH"},
    ),
    Entry(
        name="crypto_coins",
        deployment="crypto",
        method="GET",
        title="Coins that are known by name, and where candles come from",
        route="/api/v1/crypto/supported-coins",
        model="models.crypto.model:CryptoModel",
        request=CoinsRequest,
        result=CoinsResult,
        example={"search": "bitcoin"},
    ),
    Entry(
        name="crypto_scorecard",
        deployment="crypto",
        method="GET",
        title="The record: every forecast served, scored when its truth arrived",
        route="/api/v1/crypto/scorecard",
        model="models.crypto.model:CryptoModel",
        request=ScorecardRequest,
        result=ScorecardResult,
        example={"interval": "1h"},
    ),
    Entry(
        name="crypto_backtest",
        deployment="crypto",
        title="Walk-forward test of the crypto models on a coin's past",
        route="/api/v1/crypto/backtest",
        model="models.crypto.model:CryptoModel",
        request=BacktestRequest,
        result=BacktestResult,
        example={"symbol": "BTC", "models": ["har"], "origins": 50, "stride": 5, "horizons": 1},
    ),
)
