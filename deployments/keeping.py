"""Has a replica load models ahead of demand, as the ledger of the application advises."""

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import uuid4

import ray
from pydantic import BaseModel

from deployments.homes import address
from deployments.ledger import find_ledger
from models.core.capability import Keeper
from models.core.errors import CapacityExceeded
from models.scaling.ahead import REPORT_S, Advice, Report

ANSWER_S = 2.0
NO_ROOM_S = 30.0
"""A load that found no room is tried again after this time; another replica may have some."""
FAILED_S = 300.0
WARNED = 3  # reports; the first may come before the ledger is there

Find: TypeAlias = Callable[[str], Any]

logger = logging.getLogger(__name__)


class Keeping:
    """What a replica's models are asked for and where, told to the ledger every few seconds.

    Built in the event loop of the replica.

    Args:
        deployment: Name of the deployment.
        keeper: Its capability.
        busy_s: Seconds of work since the start.
        hold: Lets Serve know of an address that the replica is the home of.
        leave: Lets it know of one that it is not any more.
        find: Gives the ledger of an application, and raises `ValueError` while there is none.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        deployment: str,
        keeper: Keeper,
        busy_s: Callable[[], float],
        hold: Callable[[str], Awaitable[object]],
        leave: Callable[[str], None],
        *,
        find: Find = find_ledger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deployment, self._keeper, self._busy_s = deployment, keeper, busy_s
        self._hold, self._leave, self._find, self._clock = hold, leave, find, clock
        self._who = uuid4().hex
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._homes: dict[str, str] = {}  # names of models by address
        self._settled: tuple[str, ...] = ()
        self._refused: dict[str, float] = {}  # until when
        self._loading: str | None = None
        self._told_at_s, self._told_busy_s = clock(), busy_s()
        self._ledger: Any = None
        self._missed = 0

    def note(self, request: BaseModel, home: str) -> None:
        """A request is about to run; called from any thread.

        Args:
            request: Of the capability.
            home: The address that it was sent to; "" if to none.
        """
        name = self._keeper.asks(request)
        if name:
            with self._lock:
                self._asked[name] += 1
                if home:
                    self._homes[home] = name

    async def settle(self) -> None:
        """Let Serve know what has come into memory, and what has left it, since the last time."""
        kept = self._keeper.kept()
        if kept != self._settled:
            self._settled = kept
            await self._tell_homes(kept)

    async def _tell_homes(self, kept: tuple[str, ...]) -> None:
        with self._lock:
            gone = [home for home, name in self._homes.items() if name not in kept]
            for home in gone:
                del self._homes[home]
            self._homes |= {address(name): name for name in kept}
        for home in gone:
            self._leave(home)
        for name in kept:  # those already known as well: Serve forgets the oldest of many
            await self._hold(address(name))

    async def report_on(self, app_name: str) -> None:
        """Report and follow the advice, until cancelled."""
        load: asyncio.Future[None] | None = None
        while True:
            try:
                advice = await self._report(app_name)
                await self._tell_homes(self._keeper.kept())
            except Exception:  # whatever it was, requests are answered without
                logger.exception("not reported what is in memory")
                advice = Advice()
            if advice.load is not None and load is None:
                load = self._begin(advice.load)
            if load is None:
                await asyncio.sleep(REPORT_S)
            elif (await asyncio.wait({load}, timeout=REPORT_S))[0]:
                load, self._loading = None, None

    async def _report(self, app_name: str) -> Advice:
        report = self._made()
        try:
            if self._ledger is None:
                self._ledger = await asyncio.to_thread(self._find, app_name)
            async with asyncio.timeout(ANSWER_S):
                advice = await self._ledger.advise.remote(self._deployment, self._who, report)
        # An AttributeError comes from a ledger that is older than this replica.
        except (ValueError, TimeoutError, AttributeError, ray.exceptions.RayError) as error:
            self._ledger = None
            with self._lock:
                self._asked.update(report.asked)
            self._missed += 1
            if self._missed == WARNED:
                why = type(error).__name__
                logger.warning("no ledger: nothing is loaded ahead", extra={"error": why})
            return Advice()
        self._missed = 0
        assert isinstance(advice, Advice)  # noqa: S101 - an actor's answers are untyped
        self._keeper.spare(advice.spare)
        return advice

    def _made(self) -> Report:
        now_s, busy_s = self._clock(), self._busy_s()
        elapsed_s = max(now_s - self._told_at_s, 1e-3)
        busy = min((busy_s - self._told_busy_s) / elapsed_s, 1.0)
        self._told_at_s, self._told_busy_s = now_s, busy_s
        with self._lock:
            asked, self._asked = self._asked, Counter()
            self._refused = {name: at_s for name, at_s in self._refused.items() if at_s > now_s}
            refused = frozenset(self._refused)
        return Report(
            places=self._keeper.places,
            held=tuple(name for name in self._keeper.kept() if name != self._loading),
            loading=self._loading,
            asked=dict(asked),
            busy=busy,
            refused=refused,
        )

    def _begin(self, name: str) -> "asyncio.Future[None]":
        """Load in a thread of its own: requests go on, and the process may end meanwhile."""
        self._loading = name
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def load() -> None:
            self._load(name)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(done.set_result, None)

        threading.Thread(target=load, name="load-ahead", daemon=True).start()
        return done

    def _load(self, name: str) -> None:
        started_s, extra = self._clock(), {"deployment": self._deployment, "model": name}
        try:
            self._keeper.keep(name)
        except Exception as error:  # noqa: BLE001  # no request asked for it: none may fail
            wait_s = NO_ROOM_S if isinstance(error, CapacityExceeded) else FAILED_S
            with self._lock:
                self._refused[name] = self._clock() + wait_s
            failed = {**extra, "error": type(error).__name__}
            logger.warning("model not loaded ahead", extra=failed)
        else:
            elapsed_s = round(self._clock() - started_s, 2)
            logger.info("model loaded ahead", extra={**extra, "duration_s": elapsed_s})
