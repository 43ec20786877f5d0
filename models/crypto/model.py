"""The crypto capability: odds of prices, their record, risk and mood."""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from models.core.artifacts import Provenance as AssetProvenance
from models.core.capability import ModelCard, Run, Setup, Value
from models.core.errors import CapabilityError
from models.crypto.background import BackgroundLoop
from models.crypto.cards import model_cards
from models.crypto.chart import layout, png, svg
from models.crypto.coins import coins
from models.crypto.finder import LEADER, Finder
from models.crypto.forecast import Forecaster, ForecastQuery
from models.crypto.ledger import Ledger
from models.crypto.options import CryptoOptions
from models.crypto.predict import Predictor
from models.crypto.questions import Questions
from models.crypto.remarks import refused
from models.crypto.reports import (
    BacktestRequest,
    CoinCard,
    CoinsRequest,
    CoinsResult,
    RiskRequest,
    ScorecardRequest,
    SentimentRequest,
)
from models.crypto.schema import Prediction, PredictRequest, PredictResult, Refused
from models.crypto.scorekeeper import Scorekeeper
from models.crypto.sentiment.desk import Desk
from models.crypto.sentiment.newsroom import open_desk
from models.crypto.sources.market import Found
from models.crypto.sources.store import CandleStore
from models.crypto.sources.synthetic import synthetic_series
from models.crypto.sweep import Limits, sweep_forever

SHOWN_BARS = 120
WARM_UP_AFTER_S: Final = 20.0

logger = logging.getLogger(__name__)


class CryptoModel:
    """Answers every crypto route; safe for threads."""

    def __init__(
        self,
        setup: Setup,
        clock: Callable[[], float] = time.time,
        forecaster: Forecaster | None = None,
    ) -> None:
        options = CryptoOptions.model_validate(setup.options)
        self._options = options
        self._assets = setup.store
        self._store = CandleStore(setup.data_dir / "candles.sqlite")
        self._loop = BackgroundLoop("crypto-sources")
        if forecaster is None:
            forecaster = Forecaster(options.weights, setup.device)
        # Later, so that it does not slow down what starts beside it; a request before loads as well.
        warm_up = threading.Timer(WARM_UP_AFTER_S, _warm_up, (forecaster, clock))
        warm_up.daemon = True
        warm_up.start()
        self._forecaster = forecaster
        ledger = Ledger(setup.data_dir / "forecasts.sqlite")
        keeper = Scorekeeper(ledger, forecaster)
        finder = Finder(options, self._store, self._loop, clock)
        self._predictor = Predictor(finder, forecaster, keeper, clock)
        self._desk = open_desk(options, setup.cache_dir, clock)
        self._questions = Questions(finder, keeper, ledger)
        if options.score_every_s:
            limits = Limits(options.keep_days, options.keep_bytes)
            every_s = options.score_every_s
            self._loop.submit(sweep_forever(finder, keeper, ledger, clock, every_s, limits))
        # Bound to parts, not to self: an object that nobody keeps is closed as well.
        self._finalizer = weakref.finalize(
            self, _close, warm_up, self._loop, finder, (self._desk, ledger, self._store)
        )

    def cards(self) -> tuple[ModelCard, ...]:
        """The models of forecasts and of sentiment, the unavailable ones with the reason."""
        return (*model_cards(self._forecaster.models), self._desk.card())

    def run(self, request: Value, run: Run) -> Value:
        """Answer a request of any route.

        Raises:
            CapabilityError: For one symbol, why it has no answer.
        """
        run.check()
        answer = self._answer(request, run)
        run.check()
        return answer

    def _answer(self, request: Value, run: Run) -> Value:
        match request:
            case PredictRequest():
                return self._predict(request, run)
            case SentimentRequest():
                return self._desk.ask(request, run)
            case RiskRequest():
                return self._questions.risk(request, run)
            case CoinsRequest():
                return self._coins(request)
            case ScorecardRequest():
                return self._questions.scorecard(request, run)
            case BacktestRequest():
                return self._questions.backtest(request, run)
        raise TypeError(f"no route takes {type(request).__name__}")

    def close(self) -> None:
        """Release files and connections."""
        self._finalizer()

    def _predict(self, request: PredictRequest, run: Run) -> PredictResult:
        answers, behind = self._predictor.predict(request, run)
        if request.symbol is not None and isinstance(answers[0], CapabilityError):
            raise answers[0]
        results: list[Prediction | Refused] = []
        for symbol, answer, found in zip(request.wanted, answers, behind, strict=True):
            if isinstance(answer, CapabilityError):
                results.append(refused(symbol, answer))
            elif request.chart == "none" or found is None:
                results.append(answer)
            else:
                results.append(self._charted(request, answer, found, run))
        return PredictResult.model_construct(
            results=tuple(results), disclaimer=PredictResult.model_fields["disclaimer"].default
        )

    def _charted(
        self, request: PredictRequest, answer: Prediction, found: Found, run: Run
    ) -> Prediction:
        rows = found.series.rows[-SHOWN_BARS:]
        drawing = layout(answer, rows[:, 0].tolist(), rows[:, 4])
        as_svg = request.chart == "svg"
        title = f"{answer.symbol} {answer.interval}"
        asset = self._assets.put(
            svg(drawing, title) if as_svg else png(drawing),
            owner=run.owner,
            media_type="image/svg+xml" if as_svg else "image/png",
            filename=f"{answer.symbol}-{answer.interval}.{request.chart}",
            provenance=AssetProvenance(
                capability="crypto", backend=answer.model, model_sha256=answer.weights_sha256
            ),
        )
        return answer.model_copy(update={"chart": asset})

    def _coins(self, request: CoinsRequest) -> CoinsResult:
        spans = self._store.spans()
        words = request.search.lower()
        found = tuple(
            CoinCard(
                symbol=coin.symbol,
                name=coin.name,
                coingecko_id=coin.coingecko_id,
                kept_from=spans.get(coin.symbol, {}),
            )
            for coin in coins().values()
            if words in coin.symbol.lower() or words in coin.name.lower()
        )
        return CoinsResult(coins=found, sources=self._options.sources)


def _warm_up(forecaster: Forecaster, clock: Callable[[], float]) -> None:
    """Load libraries and weights, most likely before a request needs them."""
    import torch  # noqa: PLC0415  # after the checks of the settings, which take no time

    # The networks are small: with more threads these spend their time waiting for each other.
    torch.set_num_threads(1)
    made = synthetic_series(LEADER, "1h", 1600, clock())
    forecaster.forecast([ForecastQuery(made.candles(), horizon_steps=1)])


def _close(
    warm_up: threading.Timer,
    loop: BackgroundLoop,
    finder: Finder,
    parts: tuple[Desk | Ledger | CandleStore, ...],
) -> None:
    warm_up.cancel()
    loop.close(finder.close)
    for part in parts:
        part.close()
