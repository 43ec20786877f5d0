"""Risk, record and back-test: what is asked of a coin's past."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict

from models.core.capability import Run
from models.core.errors import CapabilityError
from models.crypto.backtest import Backtest, walk_forward
from models.crypto.candles import STEP_MS, Candles
from models.crypto.finder import Finder
from models.crypto.ledger import Ledger
from models.crypto.remarks import ageing
from models.crypto.reports import (
    BacktestRequest,
    BacktestResult,
    BacktestScore,
    BacktestTail,
    GradePartResult,
    RiskRequest,
    RiskResult,
    ScorecardRequest,
    ScorecardResult,
    ScoreRow,
    TailRiskResult,
    TailTestResult,
)
from models.crypto.risk import Risk, risk
from models.crypto.schema import Bar, Interval, Provenance
from models.crypto.scorekeeper import Scorekeeper
from models.crypto.sources.market import Found

POLL_S = 0.1


class Questions:
    """Answers about the past; safe for threads.

    Args:
        finder: Finds candles.
        keeper: Knows rolling records.
        ledger: Knows what is on record.
    """

    def __init__(self, finder: Finder, keeper: Scorekeeper, ledger: Ledger) -> None:
        self._finder, self._keeper, self._ledger = finder, keeper, ledger

    def risk(self, request: RiskRequest, run: Run) -> RiskResult:
        """The risk of one coin."""
        found, candles, btc = self._candles(
            request.symbol, request.interval, (), request.allow_synthetic, run
        )
        run.check()
        return _risk_result(risk(candles, btc), request.interval, found)

    def scorecard(self, request: ScorecardRequest, run: Run) -> ScorecardResult:
        """The record of everything served to everybody, or of the caller's own candles."""
        owner = run.owner if request.market == "request" else ""
        asked = {"symbol": request.symbol, "interval": request.interval, "model": request.model}
        filters = {column: value for column, value in asked.items() if value is not None}
        totals = self._ledger.totals(request.market, owner)
        rows = []
        for symbol, interval, model in self._ledger.groups(request.market, owner, filters):
            run.check()
            record = self._keeper.record((symbol, interval, request.market, owner), model)
            rows.append(ScoreRow(symbol=symbol, interval=interval, model=model, record=record))
        said = (
            ()
            if totals.scored
            else ("no forecast has met its truth yet: come back in an interval",)
        )
        return ScorecardResult(
            market=request.market,
            served=totals.served,
            pending=totals.pending,
            scored=totals.scored,
            missing_truth=totals.missing,
            removed=totals.removed,
            since_s=totals.since_s,
            rows=tuple(rows),
            degraded=said,
        )

    def backtest(self, request: BacktestRequest, run: Run) -> BacktestResult:
        """Score models on the newest origins of a coin."""
        found, candles, btc = self._candles(
            request.symbol, request.interval, request.candles, request.allow_synthetic, run
        )
        step_ms = STEP_MS[request.interval]
        end_ms = candles.closed_at_ms - request.horizons * step_ms
        start_ms = end_ms - (request.origins - 1) * request.stride * step_ms

        def tick(fraction: float) -> None:
            run.check()
            run.progress(min(1.0, fraction), "walk forward")

        # A fit may take a second: the caller need not wait for it, the thread ends with its next tick.
        thread = ThreadPoolExecutor(1, thread_name_prefix="crypto-backtest")
        walking = thread.submit(
            walk_forward,
            candles,
            request.models,
            start_ms=start_ms,
            end_ms=end_ms,
            stride=request.stride,
            horizons=request.horizons,
            market=btc,
            tick=tick,
        )
        thread.shutdown(wait=False)
        while not wait((walking,), POLL_S).done:
            run.check()
        made = walking.result()
        return _backtest_result(made, request.interval, found)

    def _candles(
        self, symbol: str, interval: Interval, bars: Sequence[Bar], synthetic: bool, run: Run
    ) -> tuple[Found, Candles, Candles | None]:
        given = {symbol: bars} if bars else {}
        answer = self._finder.find([symbol], interval, given, synthetic, run)[symbol]
        if isinstance(answer, CapabilityError):
            raise answer
        beside = None if symbol == "BTC" else self._finder.beside(answer)
        btc = None if beside is None else self._finder.candles(beside)
        return answer, self._finder.candles(answer.series), btc


def _risk_result(found: Risk, interval: Interval, behind: Found) -> RiskResult:
    values = asdict(found)
    values["tails"] = tuple(_tail(each) for each in values["tails"])
    values["parts"] = tuple(GradePartResult(**each) for each in values["parts"])
    values["degraded"] = (*values["degraded"], *ageing(behind))
    return RiskResult(interval=interval, **values, **_origin(behind))


def _tail(values: dict[str, object]) -> TailRiskResult:
    tested = values.pop("tested")
    assert isinstance(tested, dict)  # noqa: S101  # asdict goes all the way down
    tested.pop("level", None)
    return TailRiskResult(**values, tested=TailTestResult(**tested))


def _backtest_result(found: Backtest, interval: Interval, behind: Found) -> BacktestResult:
    scores = []
    for each in found.scores.values():
        values = asdict(each)
        values["tails"] = tuple(BacktestTail(**tail) for tail in values["tails"])
        scores.append(BacktestScore(**values))
    return BacktestResult(
        symbol=found.symbol,
        interval=interval,
        start_ms=found.start_ms,
        end_ms=found.end_ms,
        stride=found.stride,
        n=found.n,
        horizons=found.horizons,
        scores=tuple(scores),
        notes=(*found.notes, *ageing(behind)),
        **_origin(behind),
    )


def _origin(behind: Found) -> dict[str, Provenance | bool]:
    return {"provenance": behind.provenance, "synthetic": behind.series.synthetic}
