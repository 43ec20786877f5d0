"""The routes of one capability, made from its catalogue entries."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import Example
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from starlette.responses import JSONResponse, Response

from graphs.answers import Answers
from graphs.calls import Calls
from graphs.entry import Entry, Table, by_deployment
from graphs.principals import Principal
from graphs.problems import request_id_of
from graphs.routes.live import wants_events, watched
from graphs.routes.tasks import Key, accept_call, prefers_async
from graphs.schema import Accepted, Models
from graphs.steps import CapabilitySteps
from models.core.errors import InvalidInput
from models.workflow.contract import Engine

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]


def capability_routes(
    catalogue: Sequence[Entry],
    calls: Calls,
    admit: Admit,
    answers: Answers,
    tasks: tuple[Engine, CapabilitySteps] | None = None,
) -> APIRouter:
    """Every operation of the catalogue, the models of each deployment, and the tables.

    Where there is an engine for tasks, a durable operation is always accepted as a task of its own, another
    one if the caller says `Prefer: respond-async`.
    """
    router = APIRouter()
    for entry in catalogue:
        if entry.method == "GET":
            _add_question(router, entry, calls, admit, answers)
        else:
            _add_operation(router, entry, calls, admit, answers, tasks)
        for name, table in entry.tables.items():
            router.get(
                f"/api/v1/{entry.served_by}/{name}",
                tags=[entry.served_by],
                summary=f"{name.capitalize()} of {entry.served_by}",
                operation_id=f"{entry.served_by}_{name}",
                response_model=dict[str, list[table.row]],  # type: ignore[name-defined]  # known here
                dependencies=[Depends(admit(entry.served_by))],
            )(_listing(name, table))
    for name in by_deployment(catalogue):
        router.get(
            f"/api/v1/{name}/models",
            tags=[name],
            summary=f"Models of {name}",
            operation_id=f"{name}_models",
            dependencies=[Depends(admit(name))],
        )(_models(name, calls))
    return router


def _add_operation(
    router: APIRouter,
    entry: Entry,
    calls: Calls,
    admit: Admit,
    answers: Answers,
    tasks: tuple[Engine, CapabilitySteps] | None,
) -> None:
    async def run(
        request: Request,
        body: BaseModel,
        caller: Annotated[Principal, Depends(admit(entry.served_by))],
        key: Key = None,
        dry_run: Annotated[bool, Depends(_dry_run if entry.estimate else _never)] = False,
    ) -> BaseModel | Response:
        if entry.estimate is not None and dry_run:
            return JSONResponse(entry.estimate(body).model_dump(mode="json"))
        if tasks is not None and (entry.durable or prefers_async(request)):
            return await accept_call(*tasks, entry, body, caller, request_id_of(request), key)
        work = partial(calls.run, entry, body, caller.owner, request_id_of(request))
        if wants_events(request):
            return await watched(work, request_id_of(request))
        return await answers.of(entry, body, caller.owner, request, work)

    # The body's type is known only here; FastAPI reads it from the annotation.
    example = {entry.name: Example(value=entry.example)}
    run.__annotations__["body"] = Annotated[entry.request, Body(openapi_examples=example)]
    # For what is durable, and for whoever prefers a task.
    accepted: dict[int | str, dict[str, Any]] = {202: {"model": Accepted}}
    _add(router, entry, run, responses=accepted if entry.durable or tasks else None)


async def _dry_run(
    dry_run: Annotated[bool, Query(description="only tell what it would take")] = False,
) -> bool:
    return dry_run


async def _never() -> bool:
    return False


def _add_question(
    router: APIRouter, entry: Entry, calls: Calls, admit: Admit, answers: Answers
) -> None:
    async def run(
        request: Request,
        asked: Annotated[BaseModel, Depends(_from_url(entry))],
        caller: Annotated[Principal, Depends(admit(entry.served_by))],
    ) -> BaseModel | Response:
        unknown = set(request.query_params) - set(entry.request.model_fields)
        if unknown:
            known = ", ".join(entry.request.model_fields)
            raise InvalidInput(f"unknown parameter {min(unknown)!r}; known ones: {known}")
        work = partial(calls.run, entry, asked, caller.owner, request_id_of(request))
        return await answers.of(entry, asked, caller.owner, request, work)

    _add(router, entry, run)


def _add(
    router: APIRouter,
    entry: Entry,
    run: Callable[..., Any],
    responses: dict[int | str, dict[str, Any]] | None = None,
) -> None:
    for path in (entry.route, *entry.aliases):
        router.api_route(
            path,
            methods=[entry.method],
            tags=[entry.served_by],
            response_model=entry.result,
            responses=responses,
            summary=entry.title,
            operation_id=entry.name if path == entry.route else None,
            include_in_schema=path == entry.route,
        )(run)


def _from_url(entry: Entry) -> Callable[..., Awaitable[BaseModel]]:
    """Builds the request from the path and the query; FastAPI reads the signature."""
    in_path = set(re.findall(r"{(\w+)}", entry.route))

    async def build(**values: object) -> BaseModel:
        try:
            return entry.request.model_validate(values)
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_context=False)) from error

    build.__signature__ = Signature(  # type: ignore[attr-defined]  # what inspect looks for
        [
            _parameter(name, field, name in in_path)
            for name, field in entry.request.model_fields.items()
        ]
    )
    return build


def _parameter(name: str, field: FieldInfo, in_path: bool) -> Parameter:
    place = (Path if in_path else Query)(description=field.description)
    kind = Annotated[field.annotation, *field.metadata, place]  # type: ignore[name-defined]  # known here
    default = Parameter.empty if in_path or field.is_required() else field.get_default()
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _models(name: str, calls: Calls) -> Callable[[], Awaitable[Models]]:
    async def models() -> Models:
        return Models(models=(await calls.report(name)).cards)

    return models


def _listing(name: str, table: Table) -> Callable[[], dict[str, Sequence[BaseModel]]]:
    def listing() -> dict[str, Sequence[BaseModel]]:
        return {name: table.rows()}

    return listing
