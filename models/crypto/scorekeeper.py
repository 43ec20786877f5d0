"""Keeps the record: writes forecasts down, scores them when their truth arrives, remembers rolling figures."""

import logging
import threading
from collections.abc import Sequence

import numpy as np

from models.core.errors import CapabilityError, StorageFull
from models.crypto.candles import Interval
from models.crypto.conformal import ConformalState, update
from models.crypto.forecast import Forecaster, ForecastQuery
from models.crypto.gate import judge
from models.crypto.ledger import Ledger, NewForecast
from models.crypto.odds import Warp, warp_of
from models.crypto.schema import Record
from models.crypto.scoring import LEVELS, Logged, Score, crps, scores_of, truths_of
from models.crypto.sources.bars import Series

Key = tuple[str, Interval, str, str]
"""Coin, interval, market and owner."""
MIN_YARDSTICK_BARS = 500
LAGS: dict[Interval, int] = {"1h": 24, "1d": 7}
"""Origins in a row whose steps overlap, at the usual horizons."""
EMPTY = Record(n=0, forecasts=0, missing_truth=0)

logger = logging.getLogger(__name__)


class Scorekeeper:
    """The record of all that was served; safe for threads.

    Args:
        ledger: Where it lasts.
        forecaster: Makes the GARCH yardstick.
    """

    def __init__(self, ledger: Ledger, forecaster: Forecaster) -> None:
        self._ledger, self._forecaster = ledger, forecaster
        self._lock = threading.Lock()
        self._seen: dict[tuple[Key, str], int] = {}
        self._records: dict[tuple[Key, str], Record] = {}
        self._harms: dict[tuple[Key, str, str], str | None] = {}
        self._states: dict[Key, list[tuple[ConformalState, ConformalState]]] = {}

    def write(self, forecasts: Sequence[NewForecast]) -> None:
        """Write forecasts down; returns when they are on disk.

        Raises:
            StorageFull: They are not.
        """
        self._ledger.append(forecasts)

    def record(self, key: Key, model: str) -> Record:
        """The rolling record of a model; as of the last scoring."""
        found = self._records.get((key, model))
        if found is None:
            found = self._ledger.record(*key, model)
            self._records[(key, model)] = found
        return found

    def harm(self, key: Key, model: str, weights: str) -> str | None:
        """Why a model must not answer: on its own record it lost to a random walk, beyond doubt."""
        place = (key, model, weights)
        if place not in self._harms:
            losses = self._ledger.losses(*key, model, weights)
            verdict = judge(losses[:, 1], losses[:, 0], lags=LAGS[key[1]])
            self._harms[place] = verdict.why if verdict.admitted else None
        return self._harms[place]

    def warp(self, key: Key, steps: int) -> Warp | None:
        """How the intervals of a coin are widened or narrowed."""
        states = self._states.get(key)
        if states is None or len(states) < steps:
            states = self._ledger.calibration(*key, steps)
            self._states[key] = states
        return warp_of(states[:steps])

    def arrived(self, series: Series, market: str, owner: str) -> int:
        """Score what the bars of a venue settle; how many steps."""
        key: Key = (series.symbol, series.interval, market, owner)
        with self._lock:
            place = (key, series.venue)
            if self._seen.get(place) == series.closed_at_ms:
                return 0
            due = self._ledger.due(*key, series.venue, series.closed_at_ms)
            scored = [(each, found) for each in due if (found := scores_of(each, series))]
            if scored:
                self._ledger.score(scored)
                self._adapt(key, scored)
            self._seen[place] = series.closed_at_ms
        return sum(len(found) for _, found in scored)

    def compare(self, forecast: Logged, series: Series) -> None:
        """Score GARCH on the origin and the steps of a finished forecast, fitted on its past."""
        values: list[float] = []
        end = int(np.searchsorted(series.rows[:, 0], forecast.made_at_ms))
        if end >= MIN_YARDSTICK_BARS:
            query = ForecastQuery(
                series.candles().part(0, end),
                horizon_steps=len(forecast.quantiles),
                levels=tuple(LEVELS.tolist()),
                model="garch",
            )
            (made,) = self._forecaster.forecast([query])
            _, truths = truths_of(forecast, series)
            if not isinstance(made, CapabilityError) and len(truths) == len(forecast.quantiles):
                values = crps(made.log_return_quantiles, truths).tolist()
        self._ledger.add_yardstick(forecast.seq, [v for v in values if not np.isnan(v)])

    def _adapt(self, key: Key, scored: Sequence[tuple[Logged, Sequence[Score]]]) -> None:
        longest = max(len(forecast.quantiles) for forecast, _ in scored)
        states = self._ledger.calibration(*key, longest)
        moved: dict[int, None] = {}
        for forecast, scores in scored:
            for score in scores if forecast.adapts else ():
                if score.inside_80 is None or score.inside_95 is None:
                    continue
                inner, outer = states[score.step - 1]
                states[score.step - 1] = (
                    update(inner, inside=score.inside_80),
                    update(outer, inside=score.inside_95),
                )
                moved[score.step] = None
        if moved:
            changed = [(step, state) for step in moved for state in states[step - 1]]
            self._ledger.calibrate(scored[0][0], changed)
        self._states.pop(key, None)
        for each in [harm for harm in self._harms if harm[0] == key]:
            self._harms.pop(each)
        for place in [each for each in self._records if each[0] == key]:
            self._records.pop(place)


def written(keeper: Scorekeeper, forecasts: Sequence[NewForecast]) -> str | None:
    """Write forecasts down; why they are not on record, if they are not."""
    try:
        keeper.write(forecasts)
    except StorageFull as error:
        logger.warning("forecasts are not on record", extra={"problem": error.detail})
        return f"not on record: {error.detail}"
    return None
