"""The other replicas of a deployment, for a run that divides its work."""

import asyncio
import logging
from concurrent.futures import Future, wait
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from ray import exceptions as ray_errors
from ray import serve
from ray.serve.context import ReplicaContext
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.outstanding import Outstanding
from deployments.signs import Sign
from deployments.work import kind_of
from models.core.capability import Run
from models.core.errors import Cancelled, CapabilityError, CapacityExceeded, UpstreamUnavailable

POLL_S: Final = 0.1
AGAIN_S: Final = 1.0

logger = logging.getLogger(__name__)


def peers_in(context: ReplicaContext) -> int:
    """How many other replicas there may be, those that autoscaling could start included.

    Serve tells replicas in public how many are wished at the moment, not how many there may be.
    Where its configuration cannot be read any more, the former counts: a fixed number of replicas
    still works together, and what autoscaling has not started is not waited for.
    """
    try:
        config = context._deployment_config  # noqa: SLF001  # see above
        scaling = config.autoscaling_config
        most = config.num_replicas if scaling is None else scaling.max_replicas
    except AttributeError as error:
        _warn(str(error))
        most = context.world_size
    return max(0, int(most or 1) - 1)


@cache
def _warn(reason: str) -> None:
    """Once in a process: it is asked for every run."""
    logger.warning("the most replicas are unknown, counting the present", extra={"why": reason})


class ServePeers:
    """`Peers` behind a handle to the deployment itself.

    What is asked waits in Serve's queue like any request, so autoscaling sees it and others have
    their turn; a busy replica begins with it when it is free, or gives it back. Built in the event
    loop of the replica; asked from other threads.

    Args:
        name: Of the deployment.
        outstanding: Is told of what is asked: it waits in the queue like what the gateway sends.

    Attributes:
        most: See `Peers`.
        asked: What is being asked now; more than 0 in a replica that leads.
        outstanding: See above.
    """

    def __init__(self, name: str, outstanding: Outstanding) -> None:
        self.most = 0
        self.asked = 0
        self._name, self.outstanding = name, outstanding
        self._loop = asyncio.get_running_loop()
        self._handle: Any = serve.get_deployment_handle(name).options(stream=True)

    def ask(self, request: BaseModel, run: Run) -> BaseModel:
        """See `Peers`."""
        asked: Future[object] = asyncio.run_coroutine_threadsafe(
            self._answer(request, run), self._loop
        )
        while not wait((asked,), POLL_S).done:
            if run.cancelled():
                asked.cancel()
                raise Cancelled("the part is not needed any more")
        outcome = asked.result()
        if isinstance(outcome, CapabilityError):
            raise outcome
        if not isinstance(outcome, BaseModel):
            raise UpstreamUnavailable("the other replica ended without an answer", AGAIN_S)
        return outcome

    async def _answer(self, request: BaseModel, run: Run) -> object:
        self.asked += 1
        stream: Any = None
        outcome: object = None
        try:
            stream = self._handle.follow.remote(request, run.owner, run.request_id)
            with self.outstanding.one(self._name, kind_of(request)):
                async for found in stream:
                    if isinstance(found, Sign):
                        run.progress(found.fraction, found.stage)
                    else:
                        outcome = found
        except asyncio.CancelledError:
            if stream is not None:
                stream.cancel()
            raise
        except BackPressureError as error:
            raise CapacityExceeded("the queue of the replicas is full", AGAIN_S) from error
        except (ray_errors.RayError, DeploymentUnavailableError) as error:
            logger.warning("peer lost", extra={"error": type(error).__name__})
            raise UpstreamUnavailable("the other replica died or failed", AGAIN_S) from error
        finally:
            self.asked -= 1
        return outcome
