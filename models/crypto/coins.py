"""The coins that are known by name; exchanges may list more."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

COINS = Path(__file__).with_name("coins.csv")


class Coin(NamedTuple):
    """One coin, its id at CoinGecko and its name."""

    symbol: str
    coingecko_id: str
    name: str


@cache
def coins() -> dict[str, Coin]:
    """Every coin by its symbol, the largest first."""
    with COINS.open(newline="") as file:
        return {line["symbol"]: Coin(**line) for line in csv.DictReader(file)}


def coin_named(symbol: str) -> Coin | None:
    """A coin by its symbol."""
    return coins().get(symbol)


def coingecko_id(symbol: str) -> str | None:
    """Id of a coin at CoinGecko, if it is known."""
    coin = coins().get(symbol)
    return coin.coingecko_id if coin else None
