"""Candles come through real libraries from servers that behave, and misbehave, as exchanges do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.core.errors import CapabilityError, UnknownAsset, UpstreamUnavailable
from models.crypto.options import CryptoOptions, market_of
from models.crypto.sources.bars import last_closed_open_ms
from models.crypto.sources.market import Found, Market, Patience, Want
from models.crypto.sources.store import CandleStore
from tests.training.crypto_exchange import HOUR_MS, Exchange, close_at, serving

BTC = Want("BTC", "1h")
PATIENT = Patience(hop_s=30, all_s=60)
"""Whatever else the machine does, a host that answers is heard."""
Build = Callable[..., Market]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def url(exchange: Exchange) -> Iterator[str]:
    with serving(exchange) as address:
        yield address


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What the first question would import while its patience runs."""
    import_module("ccxt.async_support")
    import_module("pycoingecko")


@pytest.fixture
async def build(tmp_path: Path, exchange: Exchange) -> AsyncIterator[Build]:
    """Builds markets over one store, as restarts would; their clock is the exchange's."""
    store = CandleStore(tmp_path / "candles.sqlite")
    made: list[Market] = []

    def market(
        urls: dict[str, str],
        clock: Callable[[], float] = lambda: exchange.now_s,
        patience: Patience = PATIENT,
        **more: Any,
    ) -> Market:
        chosen = {"sources": tuple(urls), "urls": urls, **more}
        options = CryptoOptions.model_validate(chosen)
        made.append(market_of(options, store, clock, patience=patience))
        return made[-1]

    yield market
    await asyncio.gather(*(each.close() for each in made))
    store.close()


async def ask(market: Market, want: Want = BTC) -> Found | CapabilityError:
    (found,) = await market.find([want])
    return found


async def found(market: Market, want: Want = BTC) -> Found:
    answer = await ask(market, want)
    assert isinstance(answer, Found), answer
    return answer


async def test_binance_gives_every_closed_bar_and_not_the_one_forming(
    build: Build, url: str, exchange: Exchange
) -> None:
    series = (await found(build({"binance": url}))).series

    assert len(series) == 6000
    assert series.gaps == 0
    assert series.last_open_ms == last_closed_open_ms("1h", 1000 * exchange.now_s)
    assert series.rows[-1, 4] == close_at("BTC", series.last_open_ms)
    assert all("exchangeInfo" not in path for path in exchange.asked)


async def test_gaps_are_counted_and_repeated_bars_kept_once(
    build: Build, url: str, exchange: Exchange
) -> None:
    newest = last_closed_open_ms("1h", 1000 * exchange.now_s)
    exchange.gap = {newest - 10 * HOUR_MS, newest - 11 * HOUR_MS}
    exchange.repeat = True
    answer = await found(build({"binance": url}))

    assert answer.provenance.gaps == 2
    assert len(np.unique(answer.series.rows[:, 0])) == len(answer.series)


async def test_stamps_in_microseconds_are_understood(
    build: Build, url: str, exchange: Exchange
) -> None:
    exchange.micro = True
    series = (await found(build({"binance": url}))).series

    assert series.last_open_ms == last_closed_open_ms("1h", 1000 * exchange.now_s)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (451, {}, "451"),
        (418, {"Retry-After": "77"}, "fewer requests"),
        (429, {"Retry-After": "33"}, "fewer requests"),
        (503, {}, "unknown error"),
    ],
)
async def test_a_host_that_refuses_is_passed_over_and_left_alone(
    build: Build, url: str, exchange: Exchange, status: int, headers: dict[str, str], said: str
) -> None:
    other = Exchange()
    exchange.status, exchange.headers = status, headers
    with serving(other) as second:
        market = build({"binance": url, "kraken": second})
        first = await found(market)
        asked = len(exchange.asked)
        again = await found(market, Want("SOL", "1h"))

    assert first.provenance.venue == "kraken"
    assert first.provenance.fallbacks[0].source == "binance"
    assert said in first.provenance.fallbacks[0].error
    assert len(exchange.asked) == asked
    assert "not asked for" in again.provenance.fallbacks[0].error


async def test_retry_after_is_obeyed(build: Build, url: str, exchange: Exchange) -> None:
    exchange.status, exchange.headers = 418, {"Retry-After": "120"}
    market = build({"binance": url})
    await ask(market)
    answer = await found(market, Want("ETH", "1h"))

    seconds = float(answer.provenance.fallbacks[0].error.split("for ")[1].split()[0])
    refused = await ask(market, Want("ADA", "1h", synthetic=False))

    assert 100 < seconds <= 120
    assert isinstance(refused, UpstreamUnavailable)
    assert refused.retry_after_s is not None
    assert 100 < refused.retry_after_s <= 120


async def test_a_silent_host_is_waited_for_once(build: Build, url: str, exchange: Exchange) -> None:
    exchange.delay_s = 30.0
    market = build({"binance": url, "kraken": url}, patience=Patience(hop_s=0.2, all_s=60))
    first = await found(market)
    asked = len(exchange.asked)
    again = await found(market, Want("ETH", "1h"))

    assert first.series.synthetic
    assert first.provenance.synthetic
    assert ["no answer within" in each.error for each in first.provenance.fallbacks] == [True, True]
    assert ["not asked for" in each.error for each in again.provenance.fallbacks] == [True, True]
    assert len(exchange.asked) == asked


async def test_without_a_network_the_market_is_invented_and_says_so_or_there_is_none(
    build: Build,
) -> None:
    closed = "http://127.0.0.1:9"
    market = build({"binance": closed, "kraken": closed, "coingecko": closed})
    invented = await found(market)
    refused = await ask(market, Want("BTC", "1h", synthetic=False))

    assert invented.provenance.source == "synthetic"
    assert [each.source for each in invented.provenance.fallbacks] == [
        "binance", "kraken", "coingecko",
    ]  # fmt: skip
    assert isinstance(refused, UpstreamUnavailable)


async def test_a_coin_that_nobody_lists_is_unknown_and_asked_for_once(
    build: Build, url: str, exchange: Exchange
) -> None:
    market = build({"binance": url, "kraken": url})
    first = await ask(market, Want("NOSUCH", "1h"))
    asked = len(exchange.asked)
    await ask(market, Want("NOSUCH", "1h"))

    assert isinstance(first, UnknownAsset)
    assert len(exchange.asked) == asked == 2


async def test_a_delisted_coin_is_looked_for_elsewhere(
    build: Build, url: str, exchange: Exchange
) -> None:
    exchange.delisted_after_ms = 1000 * exchange.now_s - 9000 * HOUR_MS
    other = Exchange()
    with serving(other) as second:
        answer = await found(build({"binance": url, "kraken": second}))

    assert answer.provenance.venue == "kraken"
    assert "delisted" in answer.provenance.fallbacks[0].error


async def test_an_exchange_whose_clock_is_behind_decides_what_has_closed(
    build: Build, url: str, exchange: Exchange
) -> None:
    hour_ms = 1000 * exchange.now_s // HOUR_MS * HOUR_MS
    exchange.now_s = hour_ms / 1000 - 600  # its hour has ten minutes to go, ours is over
    answer = await found(build({"binance": url}, clock=lambda: hour_ms / 1000 + 1))

    assert answer.series.closed_at_ms == hour_ms - HOUR_MS


async def test_a_restart_begins_with_what_is_kept_and_asks_for_the_new_bars_alone(
    build: Build, url: str, exchange: Exchange
) -> None:
    now = [exchange.now_s]
    await found(build({"binance": url}, clock=lambda: now[0]))
    exchange.asked.clear()
    kept = await found(build({"binance": url}, clock=lambda: now[0]))
    asked_before_the_hour = len(exchange.asked)
    now[0] = exchange.now_s = exchange.now_s + 2 * 3600
    later = await found(build({"binance": url}, clock=lambda: now[0]))

    assert (kept.provenance.source, asked_before_the_hour) == ("store", 0)
    assert len(exchange.asked) == 1
    assert later.series.gaps == 0
    assert len(later.series) == 6000
    assert later.series.last_open_ms == kept.series.last_open_ms + 2 * HOUR_MS


async def test_kept_candles_are_better_than_invented_ones_and_marked(
    build: Build, url: str, exchange: Exchange
) -> None:
    now = [exchange.now_s]
    market = build({"binance": url}, clock=lambda: now[0])
    await found(market)
    exchange.status = 503
    now[0] += 5 * 3600
    answer = await found(market)

    assert answer.provenance.source == "stale"
    assert answer.provenance.age_s >= 5 * 3600
    assert not answer.provenance.synthetic


async def test_venues_are_never_mixed(build: Build, url: str, exchange: Exchange) -> None:
    now = [exchange.now_s]
    other = Exchange(now_s=exchange.now_s)
    await found(build({"binance": url}, clock=lambda: now[0]))
    now[0] = other.now_s = exchange.now_s + 3600
    exchange.status = 503
    with serving(other) as second:
        answer = await found(build({"binance": url, "kraken": second}, clock=lambda: now[0]))

    assert answer.provenance.venue == "kraken"
    assert len(answer.series) <= 720


@pytest.mark.parametrize("past_the_hour_s", [60, 381, 599, 1800, 3590])
async def test_coingecko_gives_closes_in_bars_of_the_hour_they_end(
    build: Build, url: str, exchange: Exchange, past_the_hour_s: int
) -> None:
    """Whenever in the hour it is asked, though its newest price is always one of that moment."""
    exchange.now_s = exchange.now_s // 3600 * 3600 + past_the_hour_s
    answer = await found(build({"coingecko": url}, clock=lambda: exchange.now_s))
    series = answer.series

    assert 2100 < len(series) <= 90 * 24
    assert series.rows[-1, 4] == close_at("BTC", series.last_open_ms)
    assert "closes alone" in answer.provenance.notes[0]


async def test_a_key_in_the_query_is_never_shown(
    build: Build, url: str, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    exchange.status, exchange.body = 500, "not json"
    market = build({"coingecko": url}, coingecko_demo_key="CG-secret")
    answer = await found(market)

    assert "x_cg_demo_api_key=CG-secret" in exchange.asked[0]
    assert "CG-secret" not in repr(answer.provenance)
    assert "CG-secret" not in caplog.text


async def test_a_hundred_callers_at_once_ask_the_exchange_once(
    build: Build, url: str, exchange: Exchange
) -> None:
    market = build({"binance": url})
    answers = await asyncio.gather(*(market.find([BTC]) for _ in range(100)))

    assert len(exchange.asked) == 6
    assert len({id(each[0].series) for each in answers if isinstance(each[0], Found)}) == 1


async def test_a_body_that_is_no_json_is_a_failure_of_the_host(
    build: Build, url: str, exchange: Exchange
) -> None:
    exchange.body = "<html>maintenance</html>"
    answer = await found(build({"binance": url}))

    assert answer.series.synthetic
    assert "binance" in answer.provenance.fallbacks[0].error
