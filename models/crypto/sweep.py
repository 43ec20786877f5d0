"""Between requests: score due forecasts, compare them with GARCH, remove the oldest of too many."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from models.core.errors import CapabilityError
from models.crypto.finder import Finder
from models.crypto.ledger import Ledger
from models.crypto.scorekeeper import Scorekeeper
from models.crypto.sources.market import Found, Want

PAIRS = 64
YARDSTICKS = 20
"""Fits of GARCH per sweep: they take a tenth of a second each."""
REMOVED_AT_ONCE = 200
"""Forecasts; requests wait for their turn meanwhile, some hundredths of a second."""
DAY_S = 86_400

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How long the record may grow.

    Attributes:
        days: Age of a forecast.
        bytes: Of the file.
    """

    days: float
    bytes: int


async def sweep_forever(
    finder: Finder,
    keeper: Scorekeeper,
    ledger: Ledger,
    clock: Callable[[], float],
    every_s: float,
    limits: Limits,
) -> None:
    """Sweep again and again; a sweep that fails is told and repeated."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await sweep(finder, keeper, ledger, clock)
            await prune(ledger, clock, limits)
        except CapabilityError as error:
            logger.warning("forecasts were not scored", extra={"problem": error.detail})


async def sweep(
    finder: Finder, keeper: Scorekeeper, ledger: Ledger, clock: Callable[[], float]
) -> int:
    """Score what is due; how many steps."""
    pairs = await asyncio.to_thread(ledger.due_pairs, int(1000 * clock()), PAIRS)
    wants = [Want(symbol, interval, synthetic=False) for symbol, interval in pairs]
    steps = 0
    for answer in await finder.ask(wants) if wants else ():
        if isinstance(answer, Found):
            steps += await asyncio.to_thread(keeper.arrived, answer.series, "real", "")
    for forecast in await asyncio.to_thread(ledger.without_yardstick, YARDSTICKS):
        (answer,) = await finder.ask([Want(forecast.symbol, forecast.interval, synthetic=False)])
        if isinstance(answer, Found) and answer.series.venue == forecast.venue:
            await asyncio.to_thread(keeper.compare, forecast, answer.series)
    return steps


async def prune(ledger: Ledger, clock: Callable[[], float], limits: Limits) -> int:
    """Remove the oldest forecasts until the record keeps to its limits; how many."""
    total = 0
    before_s = clock() - limits.days * DAY_S
    while removed := await asyncio.to_thread(ledger.prune, before_s, limits.bytes, REMOVED_AT_ONCE):
        total += removed
    if total:
        logger.info("old forecasts were removed from the record", extra={"forecasts": total})
    return total
