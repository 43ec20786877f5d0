"""The desk that the settings describe."""

from collections.abc import Callable
from pathlib import Path

from models.core.outbound import Limits, OutboundClient
from models.core.retry import RetryPolicy
from models.crypto.options import CryptoOptions
from models.crypto.sentiment.desk import Desk
from models.crypto.sentiment.sources import FearGreed, Feed, Reddit, TextSource

FEED_BYTES = 4 * 2**20


def open_desk(options: CryptoOptions, folder: Path, clock: Callable[[], float]) -> Desk:
    """Feeds, Reddit where an app of yours is configured, and the index."""
    limits = Limits(connect_s=2.0, read_s=options.timeout_s, total_s=15.0, body_bytes=FEED_BYTES)
    client = OutboundClient(limits, RetryPolicy(attempts=2))
    sources: list[TextSource] = [Feed(name, url, client) for name, url in options.feeds.items()]
    off = {}
    secret = options.reddit_client_secret.get_secret_value()
    if options.reddit_client_id and secret:
        sources.append(
            Reddit(
                options.reddit_client_id,
                secret,
                options.subreddits,
                options.reddit_url,
                client,
            )
        )
    else:
        off["reddit"] = "set reddit_client_id and reddit_client_secret to those of an app of yours"
    index = FearGreed(options.fear_greed_url, client) if options.fear_greed_url else None
    return Desk(sources, index, off, folder, options.sentiment_model, clock)
