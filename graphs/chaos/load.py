"""Work for a service under attack, and the check of every promise made about it."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

ENDED: Final = ("completed", "failed", "cancelled")
POLL_S: Final = 0.3
PATIENCE_S: Final = 180.0
ENDINGS: Final = ("task.completed", "task.failed", "task.skipped")


@dataclass(frozen=True)
class Move:
    """A step that began again in another process.

    Attributes:
        heard_at: When it was last heard of in the first one; POSIX time, as below.
        again_at: When it began again.
        pid: Of the first process.
    """

    heard_at: float
    again_at: float
    pid: int


@dataclass
class Order:
    """One workflow: what was asked for, and what became of it.

    Attributes:
        name: Its idempotency key.
        spec: The graph.
        may_end: States in which it may end.
        intents: Effects that a completed one has, each once.
        run_ids: What it was accepted as; more than one would be a broken promise.
        status: As it ended; `None` while that is not known.
        moves: Steps that began again in another process.
    """

    name: str
    spec: dict[str, Any]
    may_end: tuple[str, ...]
    intents: tuple[str, ...]
    run_ids: set[str] = field(default_factory=set)
    status: dict[str, Any] | None = None
    moves: list["Move"] = field(default_factory=list)

    @property
    def state(self) -> str:
        """How it ended."""
        return "unknown" if self.status is None else str(self.status["state"])

    @property
    def is_wrong(self) -> bool:
        """Whether it ended as it must not."""
        if self.status is None:
            return False
        right = self.state in self.may_end and len(self.run_ids) == 1
        if self.state == "completed":
            right = right and self.status["outputs"] == {"last": f"{self.name}-last"}
        return not right


def orders(seed: int) -> "OrderBook":
    """Orders without end; the same seed gives the same ones."""
    return OrderBook(random.Random(seed))  # noqa: S311 - no secret


class OrderBook:
    """Makes orders: four calls in three waves, a few of them failing or cancelled."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._prefix = f"{int(time.time()):x}"
        self._number = 0

    def next(self) -> Order:
        """Another order."""
        self._number += 1
        name = f"{self._prefix}-{self._number}"
        fate = self._dice.random()
        fails, is_cancelled = fate < 0.08, fate > 0.94

        def call(key: str, **more: object) -> dict[str, Any]:
            work_s = round(self._dice.uniform(0.05, 0.6), 3)
            arguments = {"intent": f"{name}-{key}", "work_s": work_s}
            if key == "last":
                arguments["fails"] = fails
            return {"id": key, "uses": "drill.run", "with": arguments, **more}

        sides = call("side", needs=["first"], foreach=["x", "y"])
        sides["with"]["intent"] = f"{name}-${{{{ item }}}}"
        tasks = [call("first"), sides, call("last", needs=["side"])]
        outputs = {"last": "${{ tasks.last.outputs.intent }}"}
        spec = {"name": "drill", "tasks": tasks, "outputs": outputs}
        intents = tuple(f"{name}-{key}" for key in ("first", "x", "y", "last"))
        states: tuple[str, ...] = ("failed",) if fails else ("completed",)
        states += ("cancelled",) if is_cancelled else ()
        return Order(name, spec, states, intents)


class Load:
    """Clients that order, wait, and never give up on what was accepted.

    Args:
        url: Of the service.
        headers: With the API key, where one is needed.
        book: Makes the orders.
    """

    def __init__(self, url: str, headers: Mapping[str, str], book: OrderBook) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers=dict(headers), timeout=10)
        self._book = book
        self._stop = asyncio.Event()
        self.orders: list[Order] = []

    @contextlib.asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator[None]:
        """Keep so many orders under way; wait for the end of all in the end."""
        tasks = [asyncio.create_task(self._order()) for _ in range(clients)]
        try:
            yield
            self._stop.set()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._client.aclose()

    async def replicas(self, deployment: str) -> int:
        """How many replicas the service says are running; 0 while it says nothing."""
        with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
            answer = await self._client.get("/status", timeout=2)
            return int(answer.json()["deployments"][deployment]["replicas"])
        return 0

    async def _order(self) -> None:
        while not self._stop.is_set():
            order = self._book.next()
            self.orders.append(order)
            await self._accepted(order)
            if len(self.orders) % 10 == 0:
                await self._accepted(order)  # asked again, it must be the same
            if not order.run_ids:
                continue  # nobody promised anything
            if "cancelled" in order.may_end:
                await self._ask("DELETE", f"/api/v1/task/{min(order.run_ids)}")
            await self._ended(order)

    async def _accepted(self, order: Order) -> None:
        key = {"Idempotency-Key": order.name}
        answer = await self._ask("POST", "/api/v1/orchestrate", json=order.spec, headers=key)
        if answer is not None:
            order.run_ids.add(answer.json()["id"])

    async def _ended(self, order: Order) -> None:
        deadline = time.monotonic() + PATIENCE_S
        for run_id in order.run_ids:
            while time.monotonic() < deadline:
                answer = await self._ask("GET", f"/api/v1/task/{run_id}")
                if answer is not None and answer.json()["state"] in ENDED:
                    order.status = answer.json()
                    break
                await asyncio.sleep(POLL_S)
        if order.status is not None and order.status["recoveries"]:
            order.moves = await self._moves(min(order.run_ids))

    async def _moves(self, run_id: str) -> list[Move]:
        answer = await self._ask("GET", f"/api/v1/task/{run_id}/events")
        if answer is None:
            return []
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        return moves_in([httpx.Response(200, text=line).json() for line in lines])

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response | None:  # noqa: ANN401 - as httpx takes it
        """The answer of a service that may be away for a while; `None` if it stays away."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._client.request(method, path, **more)
                if answer.is_success:
                    return answer
            await asyncio.sleep(POLL_S)
        return None


def moves_in(events: Sequence[Mapping[str, Any]]) -> list[Move]:
    """Every call that a process began after another one had begun it and said nothing more."""
    found, heard = [], dict[tuple[str, int], tuple[float, Mapping[str, Any]]]()
    for event in events:
        if event["task"] is None or event["item"] is None:
            continue
        call, at = (event["task"], event["item"]), datetime.fromisoformat(event["at"]).timestamp()
        if event["name"] in ENDINGS:
            heard.pop(call, None)
        elif event["name"] == "task.started":
            heard_at, process = heard.get(call, (at, event["data"]))
            if process["epoch"] != event["data"]["epoch"]:
                found.append(Move(heard_at, at, int(process["pid"])))
            heard[call] = at, event["data"]
        elif call in heard:
            heard[call] = at, heard[call][1]
    return found
