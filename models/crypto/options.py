"""Settings of the crypto capability, and what is built from them."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from models.core.capability import Value
from models.crypto.coins import coingecko_id
from models.crypto.forecast import WEIGHTS
from models.crypto.sources.coingecko import CoinGecko
from models.crypto.sources.exchanges import VENUES, Exchange
from models.crypto.sources.market import PATIENCE, Market, Patience, Source
from models.crypto.sources.store import CandleStore

SourceName = Literal["binance", "kraken", "coinbase", "okx", "coingecko"]
Clock = Callable[[], float]

FEEDS = {
    "coindesk": "https://www.coindesk.com/arc/outboundfeeds/rss/",
    "theblock": "https://www.theblock.co/rss.xml",
    "cointelegraph": "https://cointelegraph.com/rss",
    "kraken-blog": "https://blog.kraken.com/feed",
}


class CryptoOptions(Value):
    """The capability's settings, `args.options.crypto` of the configuration.

    Attributes:
        sources: Of candles, in the order in which they are asked; none for no network at all.
        urls: Other addresses of sources.
        candles: Folder of your own candle files, used before any source.
        coingecko_demo_key: Raises CoinGecko's allowance.
        timeout_s: Of one request for candles or texts.
        score_every_s: How often due forecasts are scored between requests; 0 only with requests,
            and nothing is removed.
        keep_days: Forecasts on record that are older are removed, but counted.
        keep_bytes: Length of the record above which the oldest forecasts are removed, but counted.
        weights: Folder of the learned models.
        feeds: RSS feeds by name.
        fear_greed_url: Of the Fear & Greed index; empty for none.
        reddit_client_id: Of an app of yours at Reddit; without it Reddit is off.
        reddit_client_secret: The same.
        subreddits: Where to look.
        reddit_url: For tokens and for texts, `{oauth, www}`; other addresses for tests.
        sentiment_model: A text classifier for transformers, a folder or a name; needs its weights.
    """

    sources: tuple[SourceName, ...] = ("binance", "kraken", "coinbase", "okx", "coingecko")
    urls: dict[SourceName, str] = {}
    candles: Path | None = None
    coingecko_demo_key: SecretStr = SecretStr("")
    timeout_s: float = Field(8.0, gt=0, le=60)
    score_every_s: float = Field(600.0, ge=0)
    keep_days: float = Field(400.0, ge=60)
    keep_bytes: int = Field(2**30, ge=2**24)
    weights: Path = WEIGHTS
    feeds: dict[str, str] = FEEDS
    fear_greed_url: str = "https://api.alternative.me/fng/?limit=1"
    reddit_client_id: str = ""
    reddit_client_secret: SecretStr = SecretStr("")
    subreddits: tuple[str, ...] = ("CryptoCurrency", "Bitcoin", "ethereum", "CryptoMarkets")
    reddit_url: dict[Literal["oauth", "www"], str] = {
        "oauth": "https://oauth.reddit.com",
        "www": "https://www.reddit.com",
    }
    sentiment_model: str | None = None


def market_of(
    options: CryptoOptions,
    store: CandleStore,
    clock: Clock,
    monotonic: Clock = time.monotonic,
    patience: Patience = PATIENCE,
) -> Market:
    """The chain of sources that the settings name; built within its event loop."""
    sources = [_source(name, options, clock, monotonic) for name in options.sources]
    return Market(sources, store, options.candles, clock, monotonic, patience)


def _source(name: SourceName, options: CryptoOptions, clock: Clock, monotonic: Clock) -> Source:
    url = options.urls.get(name)
    if name == "coingecko":
        return CoinGecko(
            coingecko_id,
            clock,
            monotonic,
            options.timeout_s,
            url,
            options.coingecko_demo_key.get_secret_value(),
        )
    venue = VENUES[name] if url is None else replace(VENUES[name], url=url)
    return Exchange(venue, clock, monotonic, options.timeout_s)
