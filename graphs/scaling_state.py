"""Reads what the autoscaling policy decided from the cluster."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray

from deployments.ledger import find_ledger
from deployments.node_metrics import measure_node
from graphs.calls import ScalingState
from models.core.errors import UpstreamUnavailable
from models.scaling.record import NodeLoad

ANSWER_S = 5.0
RETRY_S = 2.0


async def read_scaling(app_name: str) -> ScalingState:
    """The last decision, the history, and the machines as they are now.

    Raises:
        UpstreamUnavailable: The policy has not decided yet, or its ledger does not answer.
    """
    try:
        ledger = await asyncio.to_thread(find_ledger, app_name)
        async with asyncio.timeout(ANSWER_S):
            latest, history = await asyncio.gather(
                _ask(ledger.latest.remote()), _ask(ledger.history.remote())
            )
    except ValueError as error:
        raise UpstreamUnavailable("no scaling decision was made yet", RETRY_S) from error
    except (ray.exceptions.RayError, TimeoutError) as error:
        raise UpstreamUnavailable("the record of scaling decisions is lost", RETRY_S) from error
    node, total, free = await asyncio.to_thread(_machine)
    return ScalingState(latest, history, node, total.get("GPU", 0.0), free.get("GPU", 0.0))


async def _ask(reference: Any) -> Any:  # noqa: ANN401 - a reference of Ray is untyped
    return await reference


def _machine() -> tuple[NodeLoad, Mapping[str, float], Mapping[str, float]]:
    return (
        measure_node(Path.cwd()),
        ray.cluster_resources(),  # type: ignore[no-untyped-call]  # Ray
        ray.available_resources(),  # type: ignore[no-untyped-call]  # Ray
    )
