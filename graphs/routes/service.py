"""Routes about the service itself: alive, ready, what there is and how it fares."""

import time
from collections.abc import Callable, Sequence

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from graphs.calls import Calls
from graphs.entry import Entry
from graphs.problems import problem, request_id_of
from graphs.schema import Health, Readiness, Service, Services, Status
from graphs.state import RETRY_S, describe, waiting
from graphs.steps import uses_of
from models.core.errors import UpstreamUnavailable

Admit = Callable[[str], Callable[[Request], object]]


def service_routes(
    catalogue: Sequence[Entry], calls: Calls, version: str, admit: Admit
) -> APIRouter:
    """`/health`, `/ready`, `/status` and `/api/v1/services`."""
    router = APIRouter(tags=["service"], dependencies=[Depends(admit("status"))])
    started = time.monotonic()

    @router.get("/health")
    async def health() -> Health:
        """Answer as long as this process does."""
        return Health(version=version)

    @router.get("/ready", response_model=Readiness)
    async def ready(request: Request) -> Readiness | JSONResponse:
        """Answer 200 once every deployment is healthy and warm, 503 until then."""
        states = await calls.deployments()
        missing = waiting(catalogue, states)
        if missing:
            error = UpstreamUnavailable("waiting for " + ", ".join(missing), RETRY_S)
            return problem(error, request_id_of(request), waiting=missing)
        return Readiness(deployments=tuple(sorted(states)))

    @router.get("/status")
    async def status() -> Status:
        """State, replicas, queue, device, model and weights of every deployment."""
        states = await calls.deployments()
        return Status(
            version=version,
            uptime_s=round(time.monotonic() - started, 1),
            ready=not waiting(catalogue, states),
            deployments=await describe(catalogue, calls, states),
        )

    @router.get("/api/v1/services")
    async def services() -> Services:
        """All capabilities and their routes."""
        return Services(
            services=tuple(
                Service(
                    name=entry.name,
                    title=entry.title,
                    method=entry.method,
                    route=entry.route,
                    models_route=f"/api/v1/{entry.served_by}/models",
                    uses=uses_of(entry),
                    tables=tuple(f"/api/v1/{entry.served_by}/{table}" for table in entry.tables),
                )
                for entry in catalogue
            )
        )

    return router
