"""Routes about autoscaling: what is measured, what was decided, and why."""

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from graphs.calls import Calls
from models.core.errors import UpstreamUnavailable
from models.scaling.chart import Line, draw
from models.scaling.record import (
    DeploymentLoad,
    ScalingDecision,
    ScalingHistory,
    ScalingMetrics,
)

Admit = Callable[[str], Callable[[Request], object]]
ROOT = "/api/v1/autoscaler"
RETRY_S = 2.0


def scaling_routes(calls: Calls, admit: Admit) -> APIRouter:
    """`/api/v1/autoscaler/…`, with `/metrics-system` and `/scaling-decision` as short names."""
    router = APIRouter(tags=["autoscaler"], dependencies=[Depends(admit("status"))])

    @router.get("/metrics-system")
    @router.get(f"{ROOT}/metrics")
    async def autoscaler_metrics() -> ScalingMetrics:
        """CPU, memory and disk of every machine, GPUs, load and backlog of every deployment."""
        state = await calls.scaling()
        latest = state.latest
        return ScalingMetrics(
            at=datetime.now(UTC),
            gateway_node=state.gateway_node,
            nodes=() if latest is None else latest.nodes,
            gpus=state.gpus,
            gpus_free=state.gpus_free,
            deployments={} if latest is None else _loads(latest),
        )

    @router.get("/scaling-decision")
    @router.get(f"{ROOT}/scaling-decision")
    async def scaling_decision() -> ScalingDecision:
        """Current targets, why, and what would change them."""
        latest = (await calls.scaling()).latest
        if latest is None:
            raise UpstreamUnavailable("no scaling decision was made yet", RETRY_S)
        return latest

    @router.get(f"{ROOT}/history")
    async def scaling_history() -> ScalingHistory:
        """Decisions that changed something, the newest last."""
        return (await calls.scaling()).history

    @router.get(f"{ROOT}/history.svg", response_class=Response)
    async def scaling_chart() -> Response:
        """Replicas over time."""
        state = await calls.scaling()
        picture = draw(_steps(state.history), "Replicas over time")
        return Response(picture, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})

    return router


def _loads(decision: ScalingDecision) -> dict[str, DeploymentLoad]:
    return {
        name: DeploymentLoad(
            replicas=one.replicas,
            load=one.inputs.get("load", one.inputs.get("ongoing_requests", 0.0)),
            backlog_s=one.inputs.get("backlog_s", 0.0),
            gpus=round(one.replicas * one.inputs.get("gpu_share", 0.0), 4),
            default_policy=one.default_policy,
        )
        for name, one in decision.deployments.items()
    }


def _steps(history: ScalingHistory) -> dict[str, Line]:
    """The targets of each deployment as a line with steps."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for decision in history.decisions:
        at_s = (decision.at - history.decisions[0].at).total_seconds()
        for name, one in decision.deployments.items():
            line = lines.setdefault(name, [])
            if line:
                line.append((at_s, line[-1][1]))
            line.append((at_s, float(one.target)))
    return dict(lines)
