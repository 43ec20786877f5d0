"""The routes of one capability, made from its catalogue entry."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from fastapi.openapi.models import Example
from pydantic import BaseModel

from graphs.calls import Calls
from graphs.catalogue import Entry, Table
from graphs.principals import Principal
from graphs.problems import request_id_of
from graphs.schema import Models

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]


def capability_routes(entry: Entry, calls: Calls, admit: Admit) -> APIRouter:
    """POST of the capability, its models, and its tables."""
    router = APIRouter(tags=[entry.name])
    admitted = Depends(admit(entry.name))

    async def run(
        request: Request, body: BaseModel, caller: Annotated[Principal, admitted]
    ) -> BaseModel:
        return await calls.run(entry, body, caller.owner, request_id_of(request))

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
