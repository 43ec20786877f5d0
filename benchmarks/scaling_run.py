"""One policy live on the trace: what each request met, and what the fleet did."""

import asyncio
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from benchmarks.scaling_service import Sample, serving, tell, watching
from benchmarks.scaling_steps import MEDIAN_S, PUSH_S, SERVE, span_s
from models.scaling.trace import Floats, Trace

NAP = "/api/v1/nap"
SETTLE_LIMIT_S = 90.0
SETTLED_S = SERVE["look_back_period_s"] + 2 * PUSH_S  # what was is averaged out, and acted upon
ANSWER_LIMIT_S = 60.0  # after the trace has ended
TOLD_EVERY_S = 10.0


class Answer(NamedTuple):
    """One request, on the monotonic clock."""

    sent_s: float
    began_s: float
    ended_s: float
    answered_s: float
    replica: int


class Change(NamedTuple):
    """A decision that changed the target."""

    at_s: float
    target: int
    reason: str


@dataclass(frozen=True)
class Live:
    """A run.

    Attributes:
        start_s: When the trace began, on the monotonic clock.
        answers: Of the requests, in the order of the trace.
        fleet: What it was when the trace began, each change, and what it was at its end.
        changes: As the ledger explains them; none under Serve's own policy.
    """

    start_s: float
    answers: tuple[Answer, ...]
    fleet: tuple[Sample, ...]
    changes: tuple[Change, ...]

    @property
    def latency_s(self) -> Floats:
        """Of each request."""
        return np.array([answer.answered_s - answer.sent_s for answer in self.answers])

    @property
    def return_s(self) -> Floats:
        """Of each request, from the end of its work to the answer: what a busy machine adds."""
        return np.array([answer.answered_s - answer.ended_s for answer in self.answers])

    @property
    def replica_s(self) -> float:
        """Of all replicas, from asking to the end of the trace."""
        return sum(now.alive * (then.at_s - now.at_s) for now, then in pairwise(self.fleet))

    @property
    def handover_s(self) -> float:
        """Between an answer and the start of the next request on a replica, where that one waited."""
        of_replica: dict[int, list[Answer]] = {}
        for answer in sorted(self.answers, key=lambda one: one.began_s):
            of_replica.setdefault(answer.replica, []).append(answer)
        gaps = [
            then.began_s - now.ended_s
            for answers in of_replica.values()
            for now, then in pairwise(answers)
            if then.sent_s < now.ended_s
        ]
        return float(np.mean(gaps)) if gaps else 0.0

    @property
    def startups_s(self) -> list[float]:
        """Of each replica that was added, from asking until it worked."""
        return _gaps(self._steps("asked", 1), self._steps("running", 1))

    @property
    def stops_s(self) -> list[float]:
        """Of each replica that was taken away, from telling it until it was gone."""
        return _gaps(self._steps("asked", -1), self._steps("alive", -1))

    def _steps(self, what: str, sign: int) -> list[float]:
        """The time of each replica more, or less."""
        return [
            then.at_s
            for now, then in pairwise(self.fleet)
            for _ in range(max(sign * (getattr(then, what) - getattr(now, what)), 0))
        ]

    @property
    def explained(self) -> float:
        """Share of the changes of the fleet that a decision with a reason led to."""
        asked = [(now.at_s, now.asked) for now in self.fleet]
        moves = [then for now, then in pairwise(asked) if then[1] != now[1]]
        return float(np.mean([self._is_explained(*move) for move in moves])) if moves else 1.0

    def _is_explained(self, at_s: float, asked: int, lag_s: float = 3.0) -> bool:
        return any(
            change.target == asked and change.reason and abs(at_s - change.at_s) < lag_s
            for change in self.changes
        )


def _gaps(first: list[float], then: list[float]) -> list[float]:
    return [max(after - before, 0.0) for before, after in zip(first, then, strict=False)]


async def run_live(trace: Trace, name: str) -> Live:
    """Serve the trace under a policy, `ours` or `serve`.

    Raises:
        SystemExit: A phase took longer than it may, or a request failed; the text says which.
    """
    tell(f"{name}: starting")
    began_s = time.monotonic()
    # A short name: Ray's socket paths below it may have at most 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="b-") as folder,
        serving(Path(folder), name) as url,
        watching(Path(folder)) as samples,
    ):
        tell(f"{name}: ready after {time.monotonic() - began_s:.0f} s")
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as client:  # noqa: S113 - bounded as a whole
            # The first is averaged over no time before it, and measures the work.
            await _ask(client, time.monotonic(), MEDIAN_S)
            await _settle(samples)
            start_s = time.monotonic()
            answers = await _ask_all(client, trace, name, start_s, samples)
            await asyncio.sleep(max(start_s + span_s() - time.monotonic(), 0))
            changes = await _changes(client)
        fleet = _inside(samples, start_s)
    return Live(start_s, answers, fleet, changes)


async def _settle(samples: list[Sample]) -> None:
    """Wait until one replica has been left for a while, which both policies begin with."""
    began_s = time.monotonic()
    while (now_s := time.monotonic()) < began_s + SETTLE_LIMIT_S:
        changed_s = max(samples[-1].at_s, began_s) if samples else now_s
        if now_s - changed_s >= SETTLED_S and samples[-1][1:] == (1, 1, 1):
            return
        await asyncio.sleep(0.5)
    raise SystemExit(f"not at one replica {SETTLE_LIMIT_S:.0f} s after the start: {samples[-3:]}")


async def _ask_all(
    client: httpx.AsyncClient, trace: Trace, name: str, start_s: float, samples: list[Sample]
) -> tuple[Answer, ...]:
    asked = [
        asyncio.create_task(_ask(client, start_s + at_s, service_s))
        for at_s, service_s in zip(trace.arrival_s, trace.service_s, strict=True)
    ]
    progress = asyncio.create_task(_progress(name, start_s, asked, samples))
    limit_s = span_s() + ANSWER_LIMIT_S
    try:
        async with asyncio.timeout(limit_s):
            return tuple(await asyncio.gather(*asked))
    except TimeoutError as error:
        left = sum(task.cancelled() or not task.done() for task in asked)
        said = f"{name}: {left} of {len(asked)} requests have no answer after {limit_s:.0f} s"
        raise SystemExit(said) from error
    finally:
        progress.cancel()
        with suppress(asyncio.CancelledError):
            await progress


async def _progress(
    name: str, start_s: float, asked: "list[asyncio.Task[Answer]]", samples: list[Sample]
) -> None:
    """Say every few seconds how far it is."""
    while True:
        at_s = time.monotonic() - start_s
        done = sum(task.done() for task in asked)
        fleet = f"{samples[-1].running} of {samples[-1].alive} replicas work"
        tell(f"{name}: {at_s:.0f} of {span_s():.0f} s, {done} of {len(asked)} answered, {fleet}")
        await asyncio.sleep(TOLD_EVERY_S)


async def _ask(client: httpx.AsyncClient, at_s: float, seconds: float) -> Answer:
    """Send at a time."""
    await asyncio.sleep(max(at_s - time.monotonic(), 0))
    answer = await client.post(NAP, json={"seconds": seconds})
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"answered {answer.status_code}: {answer.text}")
    return Answer(at_s, answered_s=time.monotonic(), **answer.json())


async def _changes(client: httpx.AsyncClient) -> tuple[Change, ...]:
    """Decisions that changed the target, on the monotonic clock."""
    answer = await client.get("/api/v1/autoscaler/history", timeout=30)
    if answer.status_code != httpx.codes.OK:
        return ()
    ahead_s = time.time() - time.monotonic()
    found: list[Change] = []
    for decision in answer.json()["decisions"]:
        made: dict[str, Any] = decision["deployments"]["nap"]
        if not found or made["target"] != found[-1].target:
            at_s = datetime.fromisoformat(decision["at"]).timestamp() - ahead_s
            found.append(Change(at_s, made["target"], made["reason"]))
    return tuple(found)


def _inside(samples: list[Sample], start_s: float) -> tuple[Sample, ...]:
    """Those of the trace, from its start to its end."""
    end_s = start_s + span_s()
    before = [sample for sample in samples if sample.at_s <= start_s]
    inside = [sample for sample in samples if start_s < sample.at_s <= end_s]
    first, last = before[-1], [*before, *inside][-1]
    return (first._replace(at_s=start_s), *inside, last._replace(at_s=end_s))
