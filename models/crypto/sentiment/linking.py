"""Which coin a text is about: cashtags, symbols in capitals, names."""

import re
from functools import lru_cache

from models.crypto.coins import coin_named

ORDINARY = frozenset(
    {
        "flow", "stacks", "render", "optimism", "immutable", "compound", "maker", "gala", "dash",
        "blur", "stellar", "cosmos", "avalanche", "celestia", "aave", "worldcoin",
        "the graph", "the sandbox", "theta network", "helium", "mantle", "bonk", "pendle", "quant",
        "kava", "oasis", "sui", "sei", "neo", "terra", "jupiter", "pepe", "internet computer",
    }
)  # fmt: skip
"""Names that are words as well: only with a capital, and not as the first word."""
SHORTEST = 3


def is_about(text: str, symbol: str) -> bool:
    """Whether a text names the coin.

    `$btc` and `#BTC` always count; `BTC` in capitals does unless the whole text is in capitals; a
    name counts in any case unless it is an ordinary word.
    """
    tags, capitals, name = _patterns(symbol)
    if tags.search(text):
        return True
    shouted = text.upper() == text
    if not shouted and capitals is not None and capitals.search(text):
        return True
    return name is not None and name.search(text) is not None


@lru_cache(maxsize=512)
def _patterns(
    symbol: str,
) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]:
    tags = re.compile(rf"(?<!\w)[$#]{re.escape(symbol)}\b", re.IGNORECASE)
    capitals = None
    if len(symbol) >= SHORTEST:
        capitals = re.compile(rf"(?<![\w$#]){re.escape(symbol)}(?!\w)")
    coin = coin_named(symbol)
    if coin is None or coin.name == symbol:
        return tags, capitals, None
    if coin.name.lower() in ORDINARY:
        return tags, capitals, re.compile(rf"(?<=[^.!?] ){re.escape(coin.name)}\b")
    return tags, capitals, re.compile(rf"\b{re.escape(coin.name)}\b", re.IGNORECASE)
