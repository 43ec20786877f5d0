"""Candles for threads: the caller's own, those in memory, or those of the chain of sources."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from models.core.capability import Run
from models.core.errors import CapabilityError, InvalidInput
from models.crypto.background import BackgroundLoop
from models.crypto.candles import Candles
from models.crypto.options import CryptoOptions, market_of
from models.crypto.schema import Bar, Interval, Provenance
from models.crypto.sources.bars import Series, cleaned
from models.crypto.sources.market import Found, Market, Want
from models.crypto.sources.store import CandleStore

LEADER = "BTC"
"""Its bars help the models of other coins."""
KEPT = 330


class Finder:
    """Finds candles of many coins at once; safe for threads.

    Args:
        options: Which sources there are.
        store: What earlier answers left.
        loop: Where sources are asked.
        clock: Unix seconds.
    """

    def __init__(
        self,
        options: CryptoOptions,
        store: CandleStore,
        loop: BackgroundLoop,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options, self._store, self._loop, self._clock = options, store, loop, clock
        self._market: Market | None = None
        self._lock = Lock()
        self._candles: OrderedDict[int, tuple[Series, Candles]] = OrderedDict()

    def find(
        self,
        symbols: Sequence[str],
        interval: Interval,
        given: Mapping[str, Sequence[Bar]],
        synthetic: bool,
        run: Run,
    ) -> dict[str, Found | CapabilityError]:
        """Candles by symbol, or why there are none.

        Args:
            symbols: Different ones.
            interval: Length of a bar.
            given: The caller's own bars.
            synthetic: Whether invented candles are better than none.
            run: Told whether to go on.

        Raises:
            Cancelled: Nobody waits for the answer any more.
        """
        run.check()
        found: dict[str, Found | CapabilityError] = {}
        wants = []
        for symbol in symbols:
            if symbol in given:
                found[symbol] = self._own(symbol, interval, given[symbol])
            else:
                wants.append(Want(symbol, interval, synthetic))
        if wants and LEADER not in symbols:
            wants.append(Want(LEADER, interval, synthetic))
        missing = []
        for want in wants:
            known = self._market.remembered(want) if self._market else None
            if known is None:
                missing.append(want)
            else:
                found[want.symbol] = known
        if missing:
            answers = self._loop.wait(self.ask(missing), run.check)
            for want, answer in zip(missing, answers, strict=True):
                found[want.symbol] = answer
        return {symbol: found[symbol] for symbol in symbols}

    def beside(self, found: Found) -> Series | None:
        """Bars of the leading coin that may stand beside those of another."""
        series = found.series
        if found.provenance.source == "request" or self._market is None:
            return None
        want = Want(LEADER, series.interval, series.synthetic)
        leader = self._market.remembered(want)
        if leader is None or leader.series.synthetic != series.synthetic:
            return None
        return leader.series

    def candles(self, series: Series) -> Candles:
        """The bars as models take them; checked once."""
        with self._lock:
            known = self._candles.get(id(series))
            if known is not None and known[0] is series:
                return known[1]
        made = series.candles()
        with self._lock:
            self._candles[id(series)] = (series, made)
            while len(self._candles) > KEPT:
                self._candles.popitem(last=False)
        return made

    async def close(self) -> None:
        """Close every connection."""
        if self._market is not None:
            await self._market.close()

    async def ask(self, wants: Sequence[Want]) -> list[Found | CapabilityError]:
        """Candles from the chain; to be awaited in the background loop alone."""
        if self._market is None:  # in the loop alone, so there is one
            self._market = market_of(self._options, self._store, self._clock)
        return await self._market.find(wants)

    def _own(self, symbol: str, interval: Interval, bars: Sequence[Bar]) -> Found | CapabilityError:
        now_s = self._clock()
        rows = cleaned(bars, interval, 1000 * now_s)
        if not len(rows):
            return InvalidInput(
                f"candles of {symbol}: none is a closed {interval} bar; expected UTC opening in "
                "milliseconds, open, high, low, close, volume"
            )
        dropped = len(bars) - len(rows)
        notes = (f"{dropped} bars were unclosed, repeated or not bars",) if dropped else ()
        series = Series("request", symbol, interval, rows, now_s, notes=notes)
        provenance = Provenance(
            source="request",
            venue="request",
            bars=len(rows),
            gaps=series.gaps,
            fetched_at_s=round(now_s, 3),
            last_bar_closed_at_ms=series.closed_at_ms,
            age_s=round(max(0.0, now_s - series.closed_at_ms / 1000), 1),
            notes=notes,
        )
        return Found(series, provenance)
