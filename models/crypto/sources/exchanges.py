"""Spot candles of exchanges by ccxt, without keys.

An exchange is asked for candles alone: markets are written down here instead of loaded, because the
lists are tens of megabytes, and some of them live on hosts that are blocked in whole countries.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from models.core.retry import parse_retry_after
from models.crypto.candles import STEP_MS, FloatArray, Interval
from models.crypto.sources.bars import cleaned, last_closed_open_ms
from models.crypto.sources.bucket import TokenBucket
from models.crypto.sources.failures import NotListed, SourceFailure, shown

SKEW_S = 2.0
"""`Date` has whole seconds: less than this is no difference."""
BANNED_S = 3600.0
AT_ONCE = 8


@dataclass(frozen=True)
class Venue:
    """How one exchange is asked.

    Attributes:
        name: As shown.
        exchange: Its class in ccxt.
        quote: What prices are in; USDT stands for USD.
        pair: Its name of a market, of base and quote.
        page: Bars in one answer.
        most: Bars that it gives, or that are worth the requests.
        per_minute: Requests.
        url: Instead of the usual address.
        names: Bases that it calls otherwise.
    """

    name: str
    exchange: str
    quote: str
    pair: str
    page: int
    most: int
    per_minute: float
    url: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def market(self, symbol: str) -> str:
        """The exchange's own name of the coin's market."""
        return self.pair.format(base=self.names.get(symbol, symbol), quote=self.quote)


_KRAKEN = {
    "BTC": "XXBTZ", "ETH": "XETHZ", "XRP": "XXRPZ", "LTC": "XLTCZ", "XLM": "XXLMZ", "XMR": "XXMRZ",
    "ZEC": "XZECZ", "ETC": "XETCZ", "DOGE": "XDG",
}  # fmt: skip

VENUES: Mapping[str, Venue] = {
    each.name: each
    for each in (
        # The host for public data needs no key and answers where api.binance.com says 451.
        Venue(
            "binance", "binance", "USDT", "{base}{quote}", 1000, 6000, 1200,
            url="https://data-api.binance.vision/api/v3",
        ),
        Venue("kraken", "kraken", "USD", "{base}{quote}", 720, 720, 60, names=_KRAKEN),
        Venue("coinbase", "coinbaseexchange", "USD", "{base}-{quote}", 300, 3000, 300),
        Venue("okx", "okx", "USDT", "{base}-{quote}", 100, 2000, 480),
    )
}  # fmt: skip


class Exchange:
    """One exchange; made and used in one event loop.

    Args:
        venue: Which.
        clock: Unix seconds.
        monotonic: Seconds for pacing.
        timeout_s: Of one request.
    """

    def __init__(
        self,
        venue: Venue,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        timeout_s: float,
    ) -> None:
        self.name = venue.name
        self._venue, self._clock, self._timeout_s = venue, clock, timeout_s
        self._bucket = TokenBucket(venue.per_minute, max(10, int(venue.per_minute / 4)), monotonic)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._client: Any = None
        self._errors: Any = None
        self._opening = asyncio.Lock()
        self._status = 0
        self.skew_s = 0.0
        """How far the exchange's clock is ahead of ours."""

    async def fetch(
        self, symbol: str, interval: Interval, bars: int, since_ms: int | None = None
    ) -> FloatArray:
        """Closed bars, `(n, 6)`, the newest `bars` of them or those from `since_ms` on.

        Raises:
            NotListed: The exchange does not have the coin.
            SourceFailure: It did not answer, refused, or gave nothing that can be used.
        """
        await self.open()
        step, page = STEP_MS[interval], self._venue.page
        end = last_closed_open_ms(interval, 1000 * (self._clock() + self.skew_s))
        start = end - (min(bars, self._venue.most) - 1) * step
        start = start if since_ms is None else min(end, max(start, since_ms))
        self._know(symbol)
        market = f"{symbol}/{self._venue.quote}"
        # The newest page first: it tells whether the coin exists before the others are asked for.
        starts = list(range(start, end + 1, page * step))
        first = starts.pop()
        raw = await self._page(market, interval, first, page)
        if starts:
            pages = await asyncio.gather(*(self._page(market, interval, at, page) for at in starts))
            raw = [row for rows in pages for row in rows] + raw
        now_ms = 1000 * (self._clock() + self.skew_s)
        rows = cleaned(raw, interval, now_ms)
        if not len(rows):
            raise NotListed(f"{self.name} has no closed bar of {symbol}: perhaps it was delisted")
        return rows

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _page(self, market: str, interval: Interval, start: int, limit: int) -> list[Any]:
        async with self._places:
            await self._bucket.take()
            asked = self._client.fetch_ohlcv(market, interval, since=start, limit=limit)
            rows: list[Any] = await self._told(asked, market)
            self._read_clock()
            return rows

    async def _told(self, asked: Awaitable[Any], market: str) -> Any:  # noqa: ANN401  # ccxt
        errors = self._errors
        try:
            return await asked
        except errors.BadSymbol as error:
            raise NotListed(f"{self.name} does not list {market}") from error
        except (errors.RateLimitExceeded, errors.DDoSProtection) as error:
            after_s = parse_retry_after(self._header("Retry-After"))
            detail = f"{self.name} asks for fewer requests"
            raise SourceFailure(detail, host_is_down=True, retry_after_s=after_s or 60) from error
        except errors.NetworkError as error:
            raise self._unreachable(error) from error
        except errors.BaseError as error:
            if "451" in str(error) or "restricted location" in str(error).lower():
                raise self._banned() from error
            if _is_unknown_market(str(error)):
                raise NotListed(f"{self.name} does not list {market}") from error
            down = self._status >= 500
            raise SourceFailure(f"{self.name}: {shown(str(error))}", host_is_down=down) from error
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            detail = f"{self.name} answered something that is not candles"
            raise SourceFailure(detail, host_is_down=True) from error

    def _unreachable(self, error: Exception) -> SourceFailure:
        text = str(error)
        if " 451 " in text or "restricted location" in text.lower():
            return self._banned()
        if isinstance(error, self._errors.RequestTimeout):
            return SourceFailure(f"{self.name} did not answer in time", host_is_down=True)
        after_s = parse_retry_after(self._header("Retry-After"))
        detail = f"{self.name} is not reachable ({type(error).__name__})"
        return SourceFailure(detail, host_is_down=True, retry_after_s=after_s)

    def _banned(self) -> SourceFailure:
        detail = f"{self.name} refuses this place (451)"
        return SourceFailure(detail, host_is_down=True, retry_after_s=BANNED_S)

    def _header(self, name: str) -> str | None:
        headers = self._client.last_response_headers or {}
        found = [value for key, value in headers.items() if key.lower() == name.lower()]
        return str(found[0]) if found else None

    def _read_clock(self) -> None:
        date = self._header("Date")
        if date is None:
            return
        try:
            ahead_s = parsedate_to_datetime(date).timestamp() - self._clock()
        except ValueError:
            return
        self.skew_s = ahead_s if abs(ahead_s) > SKEW_S else 0.0

    async def open(self) -> None:
        """Load ccxt: a second or more, once."""
        async with self._opening:
            if self._client is not None:
                return
            library = await asyncio.to_thread(importlib.import_module, "ccxt.async_support")
            self._errors = library
            options = {
                "enableRateLimit": False,  # the bucket above lets a batch through at once
                "timeout": int(1000 * self._timeout_s),
                "maxRetriesOnFailure": 0,
                "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
            }
            client = getattr(library, self._venue.exchange)(options)
            client.has["fetchCurrencies"] = False
            if self._venue.url is not None:
                _redirect(client.urls, self._venue.url)
            client.on_rest_response = self._noted
            self._client = client

    def _noted(self, status: int, _reason: str, *parts: Any) -> str:  # noqa: ANN401  # ccxt's hook
        """The body; the status is nowhere else once ccxt has read an error out of it."""
        self._status = status
        return str(parts[3]).strip()

    def _know(self, symbol: str) -> None:
        """Write the market down where ccxt would otherwise load the list of all."""
        name = f"{symbol}/{self._venue.quote}"
        known = dict(self._client.markets or {})
        if name in known:
            return
        market = self._client.safe_market_structure(
            {
                "id": self._venue.market(symbol),
                "symbol": name,
                "base": symbol,
                "quote": self._venue.quote,
                "baseId": symbol,
                "quoteId": self._venue.quote,
                "type": "spot",
                "spot": True,
                "swap": False,
                "future": False,
                "option": False,
                "contract": False,
                "linear": False,
                "inverse": False,
                "active": True,
            }
        )
        self._client.markets = {**known, name: market}
        self._client.markets_by_id = {
            **(self._client.markets_by_id or {}), market["id"]: [market]
        }  # fmt: skip
        self._client.symbols = sorted(self._client.markets)


def _redirect(urls: dict[str, Any], address: str) -> None:
    """Put one address in the place of all that an exchange has."""
    api = urls["api"]
    urls["api"] = dict.fromkeys(api, address) if isinstance(api, dict) else address


def _is_unknown_market(text: str) -> bool:
    lowered = text.lower()
    said = ("invalid symbol", "unknown asset pair", "notfound", "not found", "doesn't exist")
    return any(each in lowered for each in said)
