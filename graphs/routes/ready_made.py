"""Workflows that come with the product, as routes: a few inputs, one task."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.openapi.models import Example
from pydantic import BaseModel
from starlette.responses import Response

from graphs.principals import Principal
from graphs.problems import request_id_of
from graphs.ready_made import ReadyMade
from graphs.routes.tasks import MAX_WAIT_S, SCOPE, Key, accept, refusal_of
from graphs.schema import Accepted, ReadyMadeCard, ReadyMadeCards
from graphs.steps import CapabilitySteps
from models.core.errors import ModelUnavailable
from models.workflow.contract import Engine, RunStatus

WORKFLOWS: Final = "/api/v1/workflows"

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]


def ready_made_routes(
    ready_made: Sequence[ReadyMade], engine: Engine, steps: CapabilitySteps, admit: Admit
) -> APIRouter:
    """POST of each, and the list of them."""
    router = APIRouter(tags=["workflows"])
    admitted = Depends(admit(SCOPE))

    @router.get(WORKFLOWS, dependencies=[admitted])
    async def workflows() -> ReadyMadeCards:
        """Workflows that take one request each."""
        return ReadyMadeCards(workflows=tuple(_card(one, steps) for one in ready_made))

    for one in ready_made:
        _add(router, one, engine, steps, admit)
    return router


def _add(
    router: APIRouter, one: ReadyMade, engine: Engine, steps: CapabilitySteps, admit: Admit
) -> None:
    async def start(
        request: Request,
        body: BaseModel,
        caller: Annotated[Principal, Depends(admit(SCOPE))],
        key: Key = None,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="seconds")] = 0,
    ) -> Response:
        missing = one.lacks(steps.services().__contains__)
        if missing:
            raise ModelUnavailable(f"{one.name} needs {', '.join(missing)}, not served here")
        spec = one.spec(body)
        refused = await refusal_of(spec, steps, caller, request)
        if refused is not None:
            return refused
        return await accept(engine, spec, caller, request_id_of(request), key, wait)

    # The body's type is known only here; FastAPI reads it from the annotation.
    example = {one.name: Example(value=dict(one.example))}
    start.__annotations__["body"] = Annotated[one.inputs, Body(openapi_examples=example)]
    router.post(
        f"{WORKFLOWS}/{one.name}",
        status_code=202,
        response_model=Accepted | RunStatus,
        summary=one.title,
        operation_id=one.name.replace("-", "_"),
    )(start)


def _card(one: ReadyMade, steps: CapabilitySteps) -> ReadyMadeCard:
    return ReadyMadeCard(
        name=one.name,
        title=one.title,
        route=f"{WORKFLOWS}/{one.name}",
        inputs=one.inputs.model_json_schema(),
        example=dict(one.example),
        lacks=one.lacks(steps.services().__contains__),
    )
