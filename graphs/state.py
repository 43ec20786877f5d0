"""The state of the application, gathered from the cluster and the replicas."""

import asyncio
from collections.abc import Mapping, Sequence

from graphs.calls import Calls, DeploymentState
from graphs.entry import Entry, by_deployment
from graphs.schema import DeploymentStatus
from models.core.errors import CapabilityError

HEALTHY = {"HEALTHY", "UPSCALING", "DOWNSCALING"}
RETRY_S = 2.0


def waiting(catalogue: Sequence[Entry], states: Mapping[str, DeploymentState]) -> list[str]:
    """Names of the deployments that cannot answer yet, each with its state.

    Every capability is required, and so is whatever else the application deploys. A replica loads
    and warms up before it counts as running, so running means warm.
    """
    found = []
    for name in dict.fromkeys((*by_deployment(catalogue), *states)):
        state = states.get(name)
        if state is None:
            found.append(f"{name} (not deployed)")
        elif state.status not in HEALTHY or state.running_replicas < 1:
            found.append(f"{name} ({state.status.lower()})")
    return found


async def describe(
    catalogue: Sequence[Entry], calls: Calls, states: Mapping[str, DeploymentState]
) -> dict[str, DeploymentStatus]:
    """Every deployment with what one of its replicas says of itself."""
    known = by_deployment(catalogue)
    described = await asyncio.gather(
        *(_describe(name, state, calls, name in known) for name, state in states.items())
    )
    return dict(zip(states, described, strict=True))


async def _describe(
    name: str, state: DeploymentState, calls: Calls, is_capability: bool
) -> DeploymentStatus:
    status = DeploymentStatus(
        state=state.status,
        message=state.message,
        replicas=state.running_replicas,
        target_replicas=state.target_replicas,
    )
    if not is_capability:
        return status
    pace = calls.pace(name)
    seen = {"in_flight": pace.in_flight, "service_s": round(pace.service_s, 3)}
    if state.running_replicas < 1:
        return status.model_copy(update={**seen, "problem": "no replica is running"})
    try:
        report = await calls.report(name)
    except CapabilityError as error:
        return status.model_copy(update={**seen, "problem": error.detail})
    own = {
        "running": report.running,
        "uptime_s": round(report.uptime_s, 1),
        "device": report.device,
        "num_gpus": report.num_gpus,
        "models": report.cards,
    }
    return status.model_copy(update={**seen, **own})
