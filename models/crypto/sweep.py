"""Between requests: fetch what due forecasts wait for, score them, compare them with GARCH."""

import asyncio
import logging
from collections.abc import Callable

from models.core.errors import CapabilityError
from models.crypto.finder import Finder
from models.crypto.ledger import Ledger
from models.crypto.scorekeeper import Scorekeeper
from models.crypto.sources.market import Found, Want

PAIRS = 64
YARDSTICKS = 20
"""Fits of GARCH per sweep: they take a tenth of a second each."""

logger = logging.getLogger(__name__)


async def sweep_forever(
    finder: Finder, keeper: Scorekeeper, ledger: Ledger, clock: Callable[[], float], every_s: float
) -> None:
    """Sweep again and again; a sweep that fails is told and repeated."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await sweep(finder, keeper, ledger, clock)
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
