"""The routes of one capability, made from its catalogue entry."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from fastapi.openapi.models import Example
from pydantic import BaseModel
from starlette.responses import Response

from graphs.calls import Calls
from graphs.catalogue import Entry, Table
from graphs.principals import Principal
from graphs.problems import request_id_of
from graphs.routes.live import wants_events, watched
from graphs.routes.tasks import Key, accept_call, prefers_async
from graphs.schema import Models
from models.workflow.contract import Engine

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]


def capability_routes(
    entry: Entry, calls: Calls, admit: Admit, engine: Engine | None = None
) -> APIRouter:
    """POST of the capability, its models, and its tables.

    Where there is an engine, `Prefer: respond-async` makes the POST a task of its own.
    """
    router = APIRouter(tags=[entry.name])
    admitted = Depends(admit(entry.name))

    async def run(
        request: Request,
        body: BaseModel,
        caller: Annotated[Principal, admitted],
        key: Key = None,
    ) -> BaseModel | Response:
        if engine is not None and prefers_async(request):
            return await accept_call(engine, entry, body, caller, request_id_of(request), key)
        work = partial(calls.run, entry, body, caller.owner, request_id_of(request))
        if wants_events(request):
            return await watched(work, request_id_of(request))
        return await work()

    # The body's type is known only here; FastAPI reads it from the annotation.
    example = {entry.name: Example(value=entry.example)}
    run.__annotations__["body"] = Annotated[entry.request, Body(openapi_examples=example)]
    router.post(
        entry.route, response_model=entry.result, summary=entry.title, operation_id=entry.name
    )(run)

    @router.get(
        f"/api/v1/{entry.name}/models",
        summary=f"Models of {entry.name}",
        operation_id=f"{entry.name}_models",
        dependencies=[admitted],
    )
    async def models() -> Models:
        return Models(models=(await calls.report(entry.name)).cards)

    for name, table in entry.tables.items():
        router.get(
            f"/api/v1/{entry.name}/{name}",
            summary=f"{name.capitalize()} of {entry.name}",
            operation_id=f"{entry.name}_{name}",
            response_model=dict[str, list[table.row]],  # type: ignore[name-defined]  # known here
            dependencies=[admitted],
        )(_listing(name, table))
    return router


def _listing(name: str, table: Table) -> Callable[[], dict[str, Sequence[BaseModel]]]:
    def listing() -> dict[str, Sequence[BaseModel]]:
        return {name: table.rows()}

    return listing
