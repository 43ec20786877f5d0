"""Closes of CoinGecko by pycoingecko, which is synchronous: asked in a thread, paced, bounded.

Its prices are averages over exchanges: they stand alone and never continue a venue's bars.
"""

import asyncio
import importlib
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from models.core.redaction import redacted_url
from models.core.retry import parse_retry_after
from models.crypto.candles import STEP_MS, FloatArray, Interval
from models.crypto.sources.bars import cleaned
from models.crypto.sources.bucket import TokenBucket
from models.crypto.sources.failures import NotListed, SourceFailure, shown

PER_MINUTE = 25.0
BURST = 5
DAYS: dict[Interval, int] = {"1h": 90, "1d": 365}
"""Longest spans that the free service gives at hourly and daily steps."""
LATE_MS: dict[Interval, int] = {"1h": 10 * 60_000, "1d": 3_600_000}
"""How far from the end of a bar a price may have been taken."""
NOTE = "closes alone: highs and lows are those of the closes, volume is unknown"


class PathFilter(logging.Filter):
    """Hides the values of secret parameters in a library's log records; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the arguments that are paths with a query."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                redacted_url(item) if isinstance(item, str) and "?" in item else item
                for item in record.args
            )
        return True


PATH_FILTER = PathFilter()
"""One instance, so that adding it twice changes nothing."""


class CoinGecko:
    """The source of last resort that is real.

    Args:
        coin_id: CoinGecko's id of a symbol, or `None`.
        clock: Unix seconds.
        monotonic: Seconds for pacing.
        timeout_s: Of one request.
        url: Instead of the usual address.
        demo_key: Raises the allowance; travels in the query, so no URL is ever shown.
    """

    name = "coingecko"
    notes = (NOTE,)

    def __init__(
        self,
        coin_id: Callable[[str], str | None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        timeout_s: float,
        url: str | None = None,
        demo_key: str = "",
    ) -> None:
        self._coin_id, self._clock, self._timeout_s = coin_id, clock, timeout_s
        self._url, self._demo_key = url, demo_key
        self._bucket = TokenBucket(PER_MINUTE, BURST, monotonic)
        self._client: Any = None

    async def open(self) -> None:
        """Nothing that takes time."""

    async def fetch(
        self, symbol: str, interval: Interval, bars: int, since_ms: int | None = None
    ) -> FloatArray:
        """Closed bars made of closes, `(n, 6)`, the newest `bars`, from `since_ms` on.

        Raises:
            NotListed: CoinGecko does not have the coin.
            SourceFailure: It did not answer, or asks to come back later.
        """
        coin_id = self._coin_id(symbol)
        if coin_id is None:
            raise NotListed(f"no CoinGecko id is known for {symbol}")
        wait_s = self._bucket.wait_s()
        if wait_s > self._timeout_s:
            raise SourceFailure("the allowance of CoinGecko is used up for the moment")
        await asyncio.sleep(wait_s)
        answer = await asyncio.to_thread(self._ask, coin_id, interval)
        rows = cleaned(bars_of(answer, interval), interval, 1000 * self._clock())
        rows = rows[rows[:, 0] >= (since_ms or 0)][-bars:]
        if not len(rows):
            raise NotListed(f"CoinGecko has no recent price of {symbol}")
        return rows

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.session.close()
            self._client = None

    def _ask(self, coin_id: str, interval: Interval) -> list[Any]:
        client = self._opened()
        more = {"interval": "daily"} if interval == "1d" else {}
        requests = importlib.import_module("requests")
        try:
            answer = client.get_coin_market_chart_by_id(
                coin_id, vs_currency="usd", days=DAYS[interval], **more
            )
            return list(answer["prices"])
        except requests.exceptions.HTTPError as error:
            raise _refused(error.response) from error
        except requests.exceptions.RequestException as error:
            kind = type(error).__name__
            raise SourceFailure(f"coingecko is not reachable: {kind}", host_is_down=True) from error
        except ValueError as error:
            raise self._explained(error) from error
        except (KeyError, TypeError) as error:
            detail = "coingecko answered something that is not prices"
            raise SourceFailure(detail, host_is_down=True) from error

    def _explained(self, error: ValueError) -> SourceFailure:
        """The library turns JSON error bodies into a ValueError and drops their status."""
        text = shown(str(error)).replace(self._demo_key or "\0", "***")
        lowered = text.lower()
        if "not found" in lowered:
            return NotListed("CoinGecko does not know the coin")
        limited = "rate limit" in lowered or "429" in lowered
        if limited:
            detail = "coingecko asks for fewer requests"
            return SourceFailure(detail, host_is_down=True, retry_after_s=60)
        return SourceFailure(f"coingecko: {text}", host_is_down=True)

    def _opened(self) -> Any:  # noqa: ANN401  # the library has no types
        if self._client is None:
            library = importlib.import_module("pycoingecko")
            client = library.CoinGeckoAPI(demo_api_key=self._demo_key, retries=0)
            client.request_timeout = self._timeout_s
            client.session.trust_env = False
            logging.getLogger("urllib3.connectionpool").addFilter(PATH_FILTER)
            if self._url is not None:
                client.api_base_url = self._url.rstrip("/") + "/"
            self._client = client
        return self._client


def bars_of(prices: list[Any], interval: Interval) -> FloatArray:
    """Bars between prices taken at the ends of bars: `(n, 6)`, stamped with their opening.

    Args:
        prices: Pairs of UTC milliseconds and price; those far from the end of a bar are left out, and of
            several the nearest to it counts.
        interval: Length of a bar.
    """
    step = STEP_MS[interval]
    stamps = np.array([row[0] for row in prices], np.float64)
    values = np.array([row[1] for row in prices], np.float64)
    ends = np.rint(stamps / step) * step
    near = (np.abs(stamps - ends) <= LATE_MS[interval]) & (values > 0)
    # Nearest first: the newest price, of this very moment, must not stand for the end of a bar.
    order = np.argsort(np.abs(stamps - ends)[near], kind="stable")
    ends, values = ends[near][order], values[near][order]
    ends, nearest = np.unique(ends, return_index=True)
    values = values[nearest]
    follows = np.diff(ends) == step
    opens, closes = values[:-1][follows], values[1:][follows]
    columns = (
        ends[1:][follows] - step,
        opens,
        np.maximum(opens, closes),
        np.minimum(opens, closes),
        closes,
        np.zeros(len(opens)),
    )
    return np.column_stack(columns)


def _refused(response: Any) -> SourceFailure:  # noqa: ANN401  # requests has no types here
    after_s = parse_retry_after(response.headers.get("Retry-After"))
    if response.status_code == 429:
        detail = "coingecko asks for fewer requests"
        return SourceFailure(detail, host_is_down=True, retry_after_s=after_s or 60)
    if response.status_code == 404:
        return NotListed("CoinGecko does not know the coin")
    detail = f"coingecko answered {response.status_code}"
    return SourceFailure(detail, host_is_down=True, retry_after_s=after_s)
