"""How the gateway reaches capabilities: retry, backpressure, and an honest waiting time."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from ray import exceptions as ray_errors
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.replica import ReplicaReport
from deployments.signs import Sign
from graphs.entry import Entry
from models.core.errors import CapabilityError, CapacityExceeded, UpstreamUnavailable
from models.scaling.record import NodeLoad, ScalingDecision, ScalingHistory

logger = logging.getLogger(__name__)

RESTART_S = 5.0  # a replica is back within this time: measured 3-4 s
UNMEASURED_S = 3.0  # service time assumed before the first answer
SMOOTHING = 0.3


class Backend(Protocol):
    """Sends a request to some replica of a deployment; what Ray does, or a test in its place."""

    def run(self, entry: Entry, request: BaseModel, owner: str, request_id: str) -> Awaitable[Any]:
        """Result of the capability, or the `CapabilityError` it ended with."""
        ...

    def content(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> Awaitable[Any]:
        """Like `run`, the result as the JSON that callers read."""
        ...

    def follow(
        self, entry: Entry, request: BaseModel, owner: str, request_id: str
    ) -> AsyncGenerator[Any, None]:
        """Signs of life of a run, then its result or the `CapabilityError` it ended with."""
        ...

    def report(self, name: str) -> Awaitable[ReplicaReport]:
        """What one replica says of itself."""
        ...

    def deployments(self) -> Awaitable[Mapping[str, "DeploymentState"]]:
        """State of every deployment of the application, by name."""
        ...

    def scaling(self) -> Awaitable["ScalingState"]:
        """What the autoscaling policy decided and saw."""
        ...


@dataclass(frozen=True)
class DeploymentState:
    """What the cluster says of a deployment."""

    status: str
    message: str
    running_replicas: int
    target_replicas: int


@dataclass(frozen=True)
class ScalingState:
    """What the autoscaling policy decided, and the machines as they are now."""

    latest: ScalingDecision | None
    history: ScalingHistory
    gateway_node: NodeLoad
    gpus: float
    gpus_free: float


class ReplicaLost(UpstreamUnavailable):
    """The process that worked on a request died."""


class Pace:
    """Estimates how long a refused caller should wait for a place in the queue.

    Every refusal since the last answer stands one place further back, so callers that obey
    return spread out instead of all at once.
    """

    def __init__(self) -> None:
        self.service_s = UNMEASURED_S
        self.in_flight = 0
        self._refused = 0

    def answered(self, elapsed_s: float) -> None:
        """Learn from one answer, queueing included."""
        share = elapsed_s / max(1, self.in_flight)
        self.service_s += SMOOTHING * (share - self.service_s)
        self._refused = 0

    def refuse(self) -> float:
        """Seconds after which a place should be free."""
        self._refused += 1
        return max(1.0, self._refused * self.service_s)


class Calls:
    """Calls capabilities on behalf of the routes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._paces: dict[str, Pace] = {}

    def pace(self, name: str) -> Pace:
        """The running estimate for a deployment."""
        return self._paces.setdefault(name, Pace())

    async def run(
        self,
        entry: Entry,
        request: BaseModel,
        owner: str,
        request_id: str,
        told: Callable[[Sign], None] | None = None,
    ) -> BaseModel:
        """Run a capability, once more if its replica died and the work may be repeated.

        Args:
            entry: The capability.
            request: Its request.
            owner: Whose run it is.
            request_id: Correlates logs.
            told: Takes the signs of life of the run.

        Raises:
            ReplicaLost: It died again, or the work may not be repeated.
            CapabilityError: As the capability ended, or as it could not be reached.
        """

        def begin() -> Awaitable[object]:
            if told is None:
                return self._backend.run(entry, request, owner, request_id)
            return _last(self._backend.follow(entry, request, owner, request_id), told)

        outcome = await self._paced(entry, request_id, begin)
        if not isinstance(outcome, entry.result):
            raise TypeError(f"{entry.name} answered {type(outcome).__name__}")
        return outcome

    async def content(self, entry: Entry, request: BaseModel, owner: str, request_id: str) -> bytes:
        """Like `run`, the result as the JSON that callers read: it is passed on as it came."""

        def begin() -> Awaitable[object]:
            return self._backend.content(entry, request, owner, request_id)

        outcome = await self._paced(entry, request_id, begin)
        if not isinstance(outcome, bytes):
            raise TypeError(f"{entry.name} answered {type(outcome).__name__}")
        return outcome

    async def _paced(
        self, entry: Entry, request_id: str, begin: Callable[[], Awaitable[object]]
    ) -> object:
        pace = self.pace(entry.served_by)
        loop = asyncio.get_running_loop()
        started = loop.time()
        pace.in_flight += 1
        try:
            outcome = await self._with_one_retry(entry, request_id, begin)
            pace.answered(loop.time() - started)
        finally:
            pace.in_flight -= 1
        if isinstance(outcome, CapabilityError):
            raise outcome
        return outcome

    async def _with_one_retry(
        self, entry: Entry, request_id: str, begin: Callable[[], Awaitable[object]]
    ) -> object:
        for attempt in (1, 2):
            try:
                return await begin()
            except BackPressureError as error:
                wait_s = self.pace(entry.served_by).refuse()
                raise CapacityExceeded(
                    f"the queue of {entry.served_by} is full; come back in {math.ceil(wait_s)} s",
                    wait_s,
                ) from error
            except (ray_errors.RayActorError, DeploymentUnavailableError) as error:
                extra = {
                    "capability": entry.served_by,
                    "attempt": attempt,
                    "request_id": request_id,
                }
                logger.warning("replica lost", extra=extra)
                if attempt == 2 or not entry.idempotent:
                    raise ReplicaLost(
                        f"a replica of {entry.served_by} died while it worked on this; "
                        "a new one is being started",
                        RESTART_S,
                    ) from error
        raise AssertionError("unreachable")

    async def report(self, name: str) -> ReplicaReport:
        """What one replica says of itself.

        Raises:
            UpstreamUnavailable: None answers.
        """
        try:
            return await self._backend.report(name)
        except (ray_errors.RayActorError, ray_errors.RayTaskError, TimeoutError) as error:
            raise UpstreamUnavailable(f"no replica of {name} answers", RESTART_S) from error
        except (BackPressureError, DeploymentUnavailableError) as error:
            raise UpstreamUnavailable(f"{name} is not available", RESTART_S) from error

    async def deployments(self) -> Mapping[str, DeploymentState]:
        """State of every deployment."""
        return await self._backend.deployments()

    async def scaling(self) -> ScalingState:
        """What the autoscaling policy decided and saw."""
        return await self._backend.scaling()


async def _last(stream: AsyncGenerator[Any, None], told: Callable[[Sign], None]) -> object:
    """What a stream ends with; the signs before it are told."""
    outcome: object = None
    async with aclosing(stream):
        async for found in stream:
            if isinstance(found, Sign):
                told(found)
            else:
                outcome = found
    return outcome
