"""The chain: the first source that has a coin's candles answers, and every hop is on record."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from models.core.errors import CapabilityError, UnknownAsset, UpstreamUnavailable
from models.crypto.candles import STEP_MS, FloatArray, Interval
from models.crypto.coins import coin_named
from models.crypto.schema import Fallback, Provenance, SourceKind
from models.crypto.sources.bars import Series, last_closed_open_ms, unique
from models.crypto.sources.breaker import Breaker
from models.crypto.sources.failures import NotListed, SourceFailure
from models.crypto.sources.files import candle_file, read_candles
from models.crypto.sources.store import CandleStore
from models.crypto.sources.synthetic import synthetic_series

BARS: Mapping[Interval, int] = {"1h": 6000, "1d": 1500}
FRESH_S = 15.0
"""A venue that has not published its newest bar is not asked again within this."""
RETRY_S = 60.0
"""How long invented candles stand before the sources are asked again."""
UNLISTED_S = 600.0
IN_MEMORY = 320


@dataclass(frozen=True)
class Patience:
    """How long a request waits for hosts that have not answered before.

    Attributes:
        hop_s: For one of them.
        all_s: For all of them.
    """

    hop_s: float
    all_s: float


PATIENCE = Patience(hop_s=2.0, all_s=3.0)


class Source(Protocol):
    """Somebody who may have candles."""

    @property
    def name(self) -> str:
        """As shown."""
        ...

    async def open(self) -> None:
        """Load what asking needs; may take seconds that no host is to blame for."""
        ...

    async def fetch(
        self, symbol: str, interval: Interval, bars: int, since_ms: int | None = None
    ) -> FloatArray:
        """Closed bars, `(n, 6)`; raises `SourceFailure`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, eq=False)
class Found:
    """Candles and where they come from."""

    series: Series
    provenance: Provenance


@dataclass(frozen=True)
class Want:
    """What one coin's candles are needed for.

    Attributes:
        symbol: Of the coin.
        interval: Length of a bar.
        synthetic: Whether invented candles are better than none.
    """

    symbol: str
    interval: Interval
    synthetic: bool = True


class Market:
    """Finds candles; made and used in one event loop.

    Args:
        sources: In the order in which they are asked.
        store: What earlier answers left.
        folder: The operator's own candle files, which come first.
        clock: Unix seconds.
        monotonic: Seconds for waiting.
        patience: With sources that have not answered before.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        store: CandleStore,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        patience: Patience = PATIENCE,
    ) -> None:
        self._sources, self._store, self._folder = sources, store, folder
        self._clock, self._monotonic, self._patience = clock, monotonic, patience
        self._breaker = Breaker(monotonic)
        self._known: OrderedDict[tuple[str, Interval], Found] = OrderedDict()
        self._unlisted: OrderedDict[str, tuple[float, CapabilityError]] = OrderedDict()
        self._flights: dict[tuple[str, Interval, bool], asyncio.Task[Found]] = {}

    async def find(self, wants: Sequence[Want]) -> list[Found | CapabilityError]:
        """Candles of every coin, or why there are none; equal wants are looked for once."""
        deadline_s = self._monotonic() + self._patience.all_s
        tasks = [self._flight(want, deadline_s) for want in wants]
        # Shielded: a caller that leaves must not take the candles away from another.
        answers = await asyncio.gather(
            *(asyncio.shield(task) for task in tasks), return_exceptions=True
        )
        return [_told(answer) for answer in answers]

    def remembered(self, want: Want) -> Found | None:
        """Candles that are in memory and still the newest; safe to call from any thread."""
        found = self._known.get((want.symbol, want.interval))
        if found is None or (found.series.synthetic and not want.synthetic):
            return None
        return self._aged(found) if self._is_fresh(found.series) else None

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(source.close() for source in self._sources))

    def _flight(self, want: Want, deadline_s: float) -> "asyncio.Task[Found]":
        key = (want.symbol, want.interval, want.synthetic)
        task = self._flights.get(key)
        if task is None:
            task = asyncio.ensure_future(self._find(want, deadline_s))
            self._flights[key] = task
            task.add_done_callback(lambda _: self._flights.pop(key, None))
        return task

    async def _find(self, want: Want, deadline_s: float) -> Found:
        if (found := self.remembered(want)) is not None:
            return found
        found = self._own_file(want)
        if found is None:
            kept = await asyncio.to_thread(self._store.find, want.symbol, want.interval)
            fresh = next((each for each in kept if self._is_fresh(each)), None)
            if fresh is not None:
                found = self._found("store", fresh, ())
            else:
                found = await self._ask(want, kept, deadline_s)
        self._known[(want.symbol, want.interval)] = found
        self._known.move_to_end((want.symbol, want.interval))
        while len(self._known) > IN_MEMORY:
            self._known.popitem(last=False)
        return found

    async def _ask(self, want: Want, kept: Sequence[Series], deadline_s: float) -> Found:
        tried: list[Fallback] = []
        unlisted = 0
        until_s, error = self._unlisted.get(want.symbol, (0.0, None))
        if error is not None and until_s > self._monotonic():
            raise error
        for source in self._sources:
            began_s = self._monotonic()
            await source.open()
            deadline_s += self._monotonic() - began_s
            try:
                series = await self._hop(source, want, kept, deadline_s)
            except SourceFailure as failure:
                unlisted += isinstance(failure, NotListed)
                tried.append(Fallback(source=source.name, error=failure.detail))
            else:
                return self._found("market", series, tried)
        if kept:
            return self._found("stale", kept[0], tried)
        if want.synthetic and coin_named(want.symbol) is not None:
            made = synthetic_series(want.symbol, want.interval, BARS[want.interval], self._clock())
            return self._found("synthetic", made, tried)
        waits = [self._breaker.wait_s(source.name) for source in self._sources]
        error = _nowhere(want.symbol, tried, waits, all_answered=unlisted == len(self._sources))
        if isinstance(error, UnknownAsset):
            self._unlisted[want.symbol] = (self._monotonic() + UNLISTED_S, error)
            while len(self._unlisted) > IN_MEMORY:
                self._unlisted.popitem(last=False)
        raise error

    async def _hop(
        self, source: Source, want: Want, kept: Sequence[Series], deadline_s: float
    ) -> Series:
        """Ask one source, for the newest bars alone where it was asked before."""
        if (why := self._breaker.refusal(source.name)) is not None:
            raise SourceFailure(why)
        wait_s = None
        if not self._breaker.proven(source.name):
            wait_s = min(self._patience.hop_s, deadline_s - self._monotonic())
            if wait_s <= 0:
                raise SourceFailure("not asked: the time for finding a source was used up")
        earlier = next((each for each in kept if each.venue == source.name), None)
        try:
            async with asyncio.timeout(wait_s):
                rows = await self._rows(source, want, earlier)
        except TimeoutError as error:
            self._breaker.failed(source.name, "did not answer in time")
            raise SourceFailure(f"no answer within {wait_s:.1f} s") from error
        except SourceFailure as failure:
            if failure.host_is_down:
                self._breaker.failed(source.name, failure.detail, failure.retry_after_s)
            elif isinstance(failure, NotListed):
                self._breaker.succeeded(source.name)
            raise
        self._breaker.succeeded(source.name)
        notes = tuple(getattr(source, "notes", ()))
        series = Series(source.name, want.symbol, want.interval, rows, self._clock(), notes=notes)
        await asyncio.to_thread(self._store.save, series)
        return series

    async def _rows(self, source: Source, want: Want, earlier: Series | None) -> FloatArray:
        bars, step = BARS[want.interval], STEP_MS[want.interval]
        if earlier is not None:
            newest = last_closed_open_ms(want.interval, 1000 * self._clock())
            if (newest - earlier.last_open_ms) // step < bars // 2:
                # The last bar again: it shows that this is the same market at the same prices.
                since = earlier.last_open_ms
                rows = await source.fetch(want.symbol, want.interval, bars, since)
                if rows[0, 0] == since and rows[0, 4] == earlier.rows[-1, 4]:
                    return unique(np.concatenate([earlier.rows, rows]))[-bars:]
        return await source.fetch(want.symbol, want.interval, bars)

    def _own_file(self, want: Want) -> Found | None:
        path = self._file_of(want.symbol, want.interval)
        if path is None:
            return None
        try:
            rows = read_candles(path, want.interval, 1000 * self._clock())
        except SourceFailure as failure:
            raise UpstreamUnavailable(failure.detail) from failure
        rows = rows[-BARS[want.interval] :]
        series = Series("files", want.symbol, want.interval, rows, path.stat().st_mtime)
        return self._found("files", series, ())

    def _file_of(self, symbol: str, interval: Interval) -> Path | None:
        return candle_file(self._folder, symbol, interval) if self._folder else None

    def _is_fresh(self, series: Series) -> bool:
        newest = last_closed_open_ms(series.interval, 1000 * self._clock())
        if series.synthetic and self._clock() - series.fetched_at_s > RETRY_S:
            return False
        if series.venue == "files":
            path = self._file_of(series.symbol, series.interval)
            return path is not None and path.stat().st_mtime == series.fetched_at_s
        if series.last_open_ms >= newest:
            return True
        late = newest - series.last_open_ms <= STEP_MS[series.interval]
        return late and self._clock() - series.fetched_at_s < FRESH_S

    def _found(self, source: SourceKind, series: Series, tried: Sequence[Fallback]) -> Found:
        provenance = Provenance(
            source=source,
            venue=series.venue,
            synthetic=series.synthetic,
            bars=len(series),
            gaps=series.gaps,
            fetched_at_s=round(series.fetched_at_s, 3),
            last_bar_closed_at_ms=series.closed_at_ms,
            age_s=0.0,
            fallbacks=tuple(tried),
            notes=series.notes,
        )
        return self._aged(Found(series, provenance))

    def _aged(self, found: Found) -> Found:
        age_s = max(0.0, self._clock() - found.series.closed_at_ms / 1000)
        update = {"age_s": round(age_s, 1)}
        return replace(found, provenance=found.provenance.model_copy(update=update))


def _nowhere(
    symbol: str, tried: Sequence[Fallback], waits_s: Sequence[float], *, all_answered: bool
) -> CapabilityError:
    """Why there are no candles; another try may succeed when the first source is asked again."""
    said = "; ".join(f"{each.source}: {each.error}" for each in tried)
    if all_answered and tried:
        return UnknownAsset(f"no source lists {symbol}; see /api/v1/crypto/supported-coins")
    detail = f"no candles of {symbol}: {said or 'no source is configured'}"
    return UpstreamUnavailable(detail, max(1.0, min(waits_s)) if waits_s else None)


def _told(answer: Found | BaseException) -> Found | CapabilityError:
    if isinstance(answer, Found | CapabilityError):
        return answer
    raise answer
