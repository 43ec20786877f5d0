"""From symbols to answers: candles, cache, one batch for the models, the record."""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
from pydantic import TypeAdapter, ValidationError

from models.core.capability import Run
from models.core.errors import CapabilityError, CapacityExceeded, InvalidInput, ModelUnavailable
from models.crypto.candles import Candles
from models.crypto.finder import Finder
from models.crypto.forecast import DEFAULT, Forecast, Forecaster, ForecastQuery, ModelName
from models.crypto.ledger import NewForecast
from models.crypto.odds import Warp, odds_of, quantiles_at, significant
from models.crypto.quantiles import Quantiles
from models.crypto.remarks import ageing, market_kind
from models.crypto.scale_models import ScaleName
from models.crypto.schema import Odds, Prediction, PredictRequest, Record, Symbol
from models.crypto.scorekeeper import EMPTY, Key, Scorekeeper, written
from models.crypto.scoring import LEVELS
from models.crypto.sources.market import Found

CACHED = 2048
BATCH = 64
"""Forecasts that are written down at once."""
PIECE = 8
"""Forecasts made between two looks at whether the caller is still there."""
MIDDLE = (0.5,)
STAND_INS: tuple[ScaleName, ...] = ("har", "garch")
_SYMBOL: TypeAdapter[str] = TypeAdapter(Symbol)

logger = logging.getLogger(__name__)

CacheKey = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Served:
    """A forecast that is on record, with the answers already made of it."""

    forecast: Forecast
    id: str
    warp: Warp | None
    degraded: tuple[str, ...]
    views: dict[tuple[object, ...], Prediction]


@dataclass(frozen=True, eq=False)
class Job:
    """One coin of one request: what is to be forecast, and where it is kept."""

    key: CacheKey
    record_key: Key
    found: Found
    candles: Candles
    market: Candles | None
    model: ModelName
    harm: tuple[str, ...]


class Predictor:
    """Answers predict requests; safe for threads.

    Args:
        finder: Finds candles.
        forecaster: Makes the odds.
        keeper: Keeps the record.
        clock: Unix seconds.
    """

    def __init__(
        self,
        finder: Finder,
        forecaster: Forecaster,
        keeper: Scorekeeper,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._finder, self._forecaster, self._keeper = finder, forecaster, keeper
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: OrderedDict[CacheKey, Served] = OrderedDict()
        self._flights: dict[CacheKey, Future[Served | CapabilityError]] = {}
        self._origins: OrderedDict[tuple[Key, int], None] = OrderedDict()

    def predict(
        self, request: PredictRequest, run: Run
    ) -> tuple[list[Prediction | CapabilityError], list[Found | None]]:
        """The odds of every symbol, and the candles behind them, in the order of the request.

        Raises:
            Cancelled: Nobody waits for the answer any more.
        """
        symbols = [_symbol_of(text) for text in request.wanted]
        run.progress(0.0, "candles")
        found = self._finder.find(
            [each for each in dict.fromkeys(symbols) if isinstance(each, str)],
            request.interval,
            {symbol: bars for symbol, bars in request.candles.items() if symbol in symbols},
            request.allow_synthetic,
            run,
        )
        run.progress(0.5, "forecast")
        jobs, failed = self._jobs(request, found, run.owner)
        served = self._serve(request, jobs, run)
        answers: list[Prediction | CapabilityError] = []
        for symbol in symbols:
            if isinstance(symbol, CapabilityError):
                answers.append(symbol)
            elif symbol in failed:
                answers.append(failed[symbol])
            else:
                answers.append(self._answer(request, jobs[symbol], served[symbol]))
        run.progress(1.0, "forecast")
        behind = [jobs[each].found if each in jobs else None for each in symbols]
        return answers, behind

    def _jobs(
        self, request: PredictRequest, found: dict[str, Found | CapabilityError], owner: str
    ) -> tuple[dict[str, Job], dict[str, CapabilityError]]:
        jobs: dict[str, Job] = {}
        failed: dict[str, CapabilityError] = {}
        for symbol, each in found.items():
            try:
                if isinstance(each, CapabilityError):
                    raise each
                jobs[symbol] = self._job(request, each, owner)
            except CapabilityError as error:
                failed[symbol] = error
        return jobs, failed

    def _job(self, request: PredictRequest, found: Found, owner: str) -> Job:
        series = found.series
        kind = market_kind(found)
        whose = owner if kind == "request" else ""
        self._keeper.arrived(series, kind, whose)
        beside = self._finder.beside(found)
        record_key: Key = (series.symbol, series.interval, kind, whose)
        model, harm = self._harmless(request.model, record_key)
        key = (
            *(series.symbol, series.interval, series.venue, series.last_open_ms, len(series)),
            *(whose, series.digest if kind == "request" else ""),
            *(
                request.last_step,
                request.model,
                model,
                request.paths,
                request.paths and request.seed,
            ),
            beside.last_open_ms if beside else None,
        )
        candles = self._finder.candles(series)
        market = self._finder.candles(beside) if beside else None
        return Job(key, record_key, found, candles, market, model, harm)

    def _harmless(self, asked: ModelName, key: Key) -> tuple[ModelName, tuple[str, ...]]:
        """`auto`, or what stands in for models that did harm on this coin, and why."""
        said: list[str] = []
        if asked != "auto":
            return asked, ()
        models = self._forecaster.models
        for name in dict.fromkeys((DEFAULT[key[1]], *STAND_INS)):
            if models.missing(name, key[1]) is not None:
                continue
            harm = self._keeper.harm(key, name, models.sha256(name, key[1]) or "")
            if harm is None:
                return name if said else "auto", tuple(said)
            said.append(f"{name} was set aside: a random walk did better on its record: {harm}")
        return "auto", (*said, "every model was set aside: the best of them answers all the same")

    def _serve(
        self, request: PredictRequest, jobs: dict[str, Job], run: Run
    ) -> dict[str, Served | CapabilityError]:
        """Take from the cache, wait for what others are making, make the rest."""
        ready: dict[str, Served | CapabilityError] = {}
        waiting: dict[str, Future[Served | CapabilityError]] = {}
        mine: dict[str, Job] = {}
        with self._lock:
            for symbol, job in jobs.items():
                if (known := self._cache.get(job.key)) is not None:
                    self._cache.move_to_end(job.key)
                    ready[symbol] = known
                elif (flight := self._flights.get(job.key)) is not None:
                    waiting[symbol] = flight
                else:
                    mine[symbol] = job
                    self._flights[job.key] = Future()
        ready |= self._make_all(request, mine, run)
        for symbol, flight in waiting.items():
            ready[symbol] = _patiently(flight, run)
        return ready

    def _make_all(
        self, request: PredictRequest, mine: dict[str, Job], run: Run
    ) -> dict[str, Served | CapabilityError]:
        ready: dict[str, Served | CapabilityError] = {}
        names = list(mine)
        try:
            for start in range(0, len(names), BATCH):
                part = {name: mine[name] for name in names[start : start + BATCH]}
                made = self._make(request, part, run)
                self._land(part, made)
                ready |= made
                run.progress(0.5 + 0.5 * len(ready) / len(names), "forecast")
        finally:
            gone = CapacityExceeded("who was making this forecast left; send it again", 1.0)
            self._land(mine, dict.fromkeys(set(names) - set(ready), gone))
        return ready

    def _land(self, jobs: dict[str, Job], made: dict[str, Served | CapabilityError]) -> None:
        """Hand what was made to those who wait, and keep it."""
        with self._lock:
            for symbol, outcome in made.items():
                key = jobs[symbol].key
                if isinstance(outcome, Served):
                    self._cache[key] = outcome
                self._flights.pop(key).set_result(outcome)
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)

    def _make(
        self, request: PredictRequest, jobs: dict[str, Job], run: Run
    ) -> dict[str, Served | CapabilityError]:
        queries = [
            ForecastQuery(
                job.candles,
                horizon_steps=request.last_step,
                levels=MIDDLE,  # every other level is read from the curve
                model=job.model,
                paths=request.paths,
                seed=request.seed,
                market=job.market,
            )
            for job in jobs.values()
        ]
        outcomes: list[Forecast | CapabilityError] = []
        for first in range(0, len(queries), PIECE):
            run.check()
            outcomes += self._forecasts(queries[first : first + PIECE])
        served: dict[str, Served | CapabilityError] = {}
        news: list[NewForecast] = []
        for (symbol, job), outcome in zip(jobs.items(), outcomes, strict=True):
            if isinstance(outcome, CapabilityError):
                served[symbol] = outcome
                continue
            warp = self._keeper.warp(job.record_key, request.last_step)
            news.append(self._news(request, job, outcome, warp))
            served[symbol] = Served(outcome, news[-1].id, warp, (*outcome.degraded, *job.harm), {})
        unwritten = written(self._keeper, news)
        if unwritten is not None:
            for symbol, each in served.items():
                if isinstance(each, Served):
                    served[symbol] = replace(each, degraded=(*each.degraded, unwritten))
        return served

    def _forecasts(self, queries: Sequence[ForecastQuery]) -> list[Forecast | CapabilityError]:
        """One batch; where arithmetic fails on one coin, the others are answered all the same."""
        try:
            return self._forecaster.forecast(queries)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            if len(queries) > 1:
                return [outcome for query in queries for outcome in self._forecasts([query])]
            symbol = queries[0].candles.symbol
            logger.exception("a model failed", extra={"symbol": symbol})
            detail = f"the model cannot be fitted to the candles of {symbol}"
            return [ModelUnavailable(f"{detail} ({type(error).__name__})")]

    def _news(
        self, request: PredictRequest, job: Job, forecast: Forecast, warp: Warp | None
    ) -> NewForecast:
        symbol, interval, kind, whose = job.record_key
        bounds = quantiles_at(forecast.curve, np.array([0.025, 0.1, 0.9, 0.975]), warp)
        quantiles = quantiles_at(forecast.curve, LEVELS)
        digest = hashlib.sha256(repr((job.record_key, job.found.series.venue)).encode())
        digest.update(repr((forecast.made_at_ms, forecast.model, request.model)).encode())
        digest.update(np.concatenate([quantiles, bounds], axis=1).tobytes())
        origin = (job.record_key, forecast.made_at_ms)
        with self._lock:
            adapts = request.model == "auto" and origin not in self._origins
            self._origins[origin] = None
            while len(self._origins) > 4 * CACHED:
                self._origins.popitem(last=False)
        return NewForecast(
            id=digest.hexdigest()[:24],
            owner=whose,
            market=kind,
            symbol=symbol,
            interval=interval,
            venue=job.found.series.venue,
            model=forecast.model,
            weights=forecast.weights_sha256 or "",
            served_at_s=self._clock(),
            made_at_ms=forecast.made_at_ms,
            last_close_usd=forecast.last_close_usd,
            adapts=adapts,
            quantiles=quantiles,
            bounds=bounds,
            baseline=quantiles_at(forecast.baseline, LEVELS),
            p_up=forecast.p_up,
        )

    def _answer(
        self, request: PredictRequest, job: Job, served: Served | CapabilityError
    ) -> Prediction | CapabilityError:
        if isinstance(served, CapabilityError):
            return served
        steps = request.steps or tuple(range(1, request.last_step + 1))
        view = (steps, request.levels, request.move_pct)
        known = served.views.get(view)
        if known is None:
            answer = _prediction(request, steps, job, served)
            if len(served.views) < 4:
                served.views[view] = answer
        else:
            answer = known
        fresh = {
            "provenance": job.found.provenance,
            "record": self._record(job, served),
            "degraded": (*served.degraded, *ageing(job.found)),
            "cached": known is not None,
        }
        return answer.model_copy(update=fresh)

    def _record(self, job: Job, served: Served) -> Record:
        try:
            return self._keeper.record(job.record_key, served.forecast.model)
        except CapabilityError:
            return EMPTY


def _symbol_of(text: str) -> str | CapabilityError:
    try:
        return _SYMBOL.validate_python(text)
    except ValidationError:
        return InvalidInput("a symbol has 1 to 12 letters and digits, such as BTC")


def _patiently(flight: "Future[Served | CapabilityError]", run: Run) -> Served | CapabilityError:
    while True:
        try:
            return flight.result(0.1)
        except TimeoutError:
            run.check()


def _prediction(
    request: PredictRequest, steps: tuple[int, ...], job: Job, served: Served
) -> Prediction:
    made = served.forecast
    chosen = np.array(steps) - 1

    def odds(curve: Quantiles, warp: Warp | None) -> Odds:
        return odds_of(curve, made.last_close_usd, steps, request.levels, request.move_pct, warp)

    paths = None
    if made.paths is not None:
        usd = made.last_close_usd * np.exp(made.paths[:, chosen])
        paths = tuple(map(tuple, significant(usd).tolist()))
    calibration = "raw: no truth yet" if served.warp is None else "adapted to the record"
    # Built of our own values: checking every number again would take longer than making it.
    return Prediction.model_construct(
        outcome="forecast",
        forecast_id=served.id,
        symbol=made.symbol,
        interval=made.interval,
        last_price_usd=made.last_close_usd,
        made_at_ms=made.made_at_ms,
        steps=steps,
        levels=request.levels,
        odds=odds(made.curve, served.warp),
        baseline=odds(made.baseline, None),
        volatility=tuple(significant(made.scale[chosen]).tolist()),
        move_pct=request.move_pct,
        model=made.model,
        why=made.why,
        weights_sha256=made.weights_sha256,
        calibration=calibration,
        record=EMPTY,
        provenance=job.found.provenance,
        synthetic=job.found.series.synthetic,
        degraded=(),
        paths_usd=paths,
        chart=None,
        cached=False,
    )
