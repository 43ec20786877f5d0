"""Workflows over HTTP: accepted durably, watched, stopped and tried again."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, JsonValue
from starlette.responses import Response

from graphs.entry import Entry
from graphs.principals import Principal
from graphs.problems import BadRequest, problem, request_id_of
from graphs.routes.server_sent import block, streamed
from graphs.schema import Accepted, Plan, PlannedTask, WebhookSecret
from graphs.steps import CapabilitySteps, uses_of
from models.core.errors import UnknownAsset
from models.workflow import contract
from models.workflow.contract import Engine, Event, Page, RunStatus, State, Usage
from models.workflow.plan import known_size, needs_of, waves
from models.workflow.spec import Spec, Task
from models.workflow.validation import InvalidGraph, check

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]

Found = TypeVar("Found")

SCOPE: Final = "workflow"
TASKS: Final = "/api/v1/task"
MAX_WAIT_S: Final = 60.0
MAX_KEY_CHARACTERS: Final = 255

EXAMPLE: Final = {
    "name": "two styles",
    "tasks": [
        {
            "id": "img",
            "uses": "image.generate",
            "strategy": {"matrix": {"style": ["photo", "clay"]}},
            "with": {"prompt": "a rocket", "style": "${{ matrix.style }}", "seed": 7},
        }
    ],
    "outputs": {"pictures": "${{ tasks.img.outputs[*].images[0].asset.url }}"},
}
"""A graph, for the description of the route."""

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=MAX_KEY_CHARACTERS)]


def task_routes(engine: Engine, steps: CapabilitySteps, admit: Admit) -> APIRouter:
    """POST of a graph; GET, list, DELETE, retry and events of what became of it."""
    router = APIRouter(tags=["tasks"])
    admitted = Depends(admit(SCOPE))
    Caller = Annotated[Principal, admitted]  # noqa: N806 - a type

    at_once: dict[int | str, dict[str, Any]] = {200: {"model": RunStatus | Plan}}

    @router.post("/api/v1/orchestrate", status_code=202, response_model=Accepted, responses=at_once)
    async def orchestrate(
        request: Request,
        spec: Annotated[Spec, Body(openapi_examples={"graph": Example(value=EXAMPLE)})],
        caller: Caller,
        key: Key = None,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="seconds")] = 0,
        dry_run: bool = False,
    ) -> Response:
        """Accept a graph of tasks; with `dry_run`, only tell its order and what it may take.

        With `wait`, the answer is the state itself if the end comes by then.
        """
        refused = await refusal_of(spec, steps, caller, request)
        if refused is not None:
            return refused
        if dry_run:
            return JSONResponse(plan_of(spec, steps).model_dump(mode="json"))
        return await accept(engine, spec, caller, request_id_of(request), key, wait)

    @router.get(TASKS)
    async def tasks(
        caller: Caller,
        state: Annotated[list[State] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> Page:
        """Tasks of the caller, newest first."""
        query = contract.Query(caller.owner, frozenset(state or ()), limit=limit, cursor=cursor)
        return await engine.find(query)

    @router.get("/api/v1/usage")
    async def usage(caller: Caller) -> Usage:
        """What the caller has under way, and may have."""
        return await engine.usage(caller.owner)

    @router.get(TASKS + "/{task_id}")
    async def task(task_id: str, caller: Caller) -> RunStatus:
        """State, progress, attempts and outputs."""
        return known(await engine.status(task_id, caller.owner), task_id)

    @router.delete(TASKS + "/{task_id}", status_code=202)
    async def cancel(task_id: str, caller: Caller) -> Accepted:
        """Stop a task; one that is over stays as it is."""
        known(await engine.cancel(task_id, caller.owner) or None, task_id)
        return accepted(task_id)

    @router.post(TASKS + "/{task_id}/retry", status_code=202)
    async def retry(task_id: str, caller: Caller, from_task: str | None = None) -> JSONResponse:
        """Try again as a new task that reuses what was finished."""
        again = known(await engine.retry(task_id, caller.owner, from_task), task_id)
        return located(again)

    router.include_router(_event_routes(engine, admitted))
    return router


def _event_routes(engine: Engine, admitted: Any) -> APIRouter:  # noqa: ANN401 - as FastAPI has it
    router = APIRouter()
    Caller = Annotated[Principal, admitted]  # noqa: N806 - a type

    @router.get(TASKS + "/{task_id}/events", response_class=StreamingResponse)
    async def events(
        task_id: str,
        caller: Caller,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """What happens, as server-sent events; `Last-Event-ID` resumes."""
        if last_event_id is not None and not last_event_id.isdigit():
            raise BadRequest("Last-Event-ID is the number of an event")
        known(await engine.status(task_id, caller.owner), task_id)
        after = -1 if last_event_id is None else int(last_event_id)
        return streamed(_blocks(engine.events(task_id, caller.owner, after)))

    @router.get("/api/v1/webhook-secret")
    async def webhook_secret(caller: Caller) -> WebhookSecret:
        """The key that the caller's webhooks are signed with."""
        return WebhookSecret(secret=await engine.webhook_secret(caller.owner))

    return router


async def refusal_of(
    spec: Spec, steps: CapabilitySteps, caller: Principal, request: Request
) -> Response | None:
    """Everything that is wrong with a graph, with a JSON pointer each.

    Raises:
        Forbidden: The key does not cover what the graph uses.
        ModelUnavailable: The graph needs a model that is not here.
    """
    try:
        check(spec, steps.services())
    except InvalidGraph as error:
        found = [{"pointer": f.pointer, "detail": f.detail} for f in error.faults]
        return problem(error, request_id_of(request), errors=found)
    for task in spec.tasks:
        caller.require(steps.scope_of(task.uses))
    await steps.require(spec)
    return None


async def accept(
    engine: Engine,
    spec: Spec,
    caller: Principal,
    trace_id: str,
    key: str | None = None,
    wait_s: float = 0,
) -> JSONResponse:
    """Accept a checked graph, and wait for its end if that is asked for."""
    run_id = run_id_of(caller.owner, key)
    await engine.submit(contract.Request(run_id, caller.owner, spec, trace_id))
    if wait_s and await _ends(engine, run_id, caller.owner, wait_s):
        status = known(await engine.status(run_id, caller.owner), run_id)
        headers = {"Location": f"{TASKS}/{run_id}", "Cache-Control": "no-store"}
        return JSONResponse(status.model_dump(mode="json"), 200, headers)
    return located(run_id)


def prefers_async(request: Request) -> bool:
    """Whether the caller would rather have a task than wait, RFC 7240."""
    wishes = ",".join(request.headers.getlist("prefer")).split(",")
    return any(wish.split(";")[0].strip().lower() == "respond-async" for wish in wishes)


async def accept_call(
    engine: Engine,
    steps: CapabilitySteps,
    entry: Entry,
    body: BaseModel,
    caller: Principal,
    trace_id: str,
    key: str | None,
) -> JSONResponse:
    """Make one call a task with the call's result as its output `result`.

    Raises:
        CapabilityError: It would take more than is accepted, or needs a model that is not here.
    """
    told = None if entry.estimate is None else entry.estimate(body).model_dump(mode="json")
    arguments = body.model_dump(mode="json", exclude_unset=True)
    # By reference, since the words of a prompt may look like an expression.
    given: dict[str, JsonValue] = {n: f"${{{{ inputs.body.{n} }}}}" for n in arguments}
    task = Task(id=entry.name, uses=uses_of(entry), arguments=given)
    outputs: dict[str, JsonValue] = {"result": f"${{{{ tasks.{entry.name}.outputs }}}}"}
    spec = Spec(name=uses_of(entry), inputs={"body": arguments}, tasks=(task,), outputs=outputs)
    await steps.require(spec)
    run_id = run_id_of(caller.owner, key)
    await engine.submit(contract.Request(run_id, caller.owner, spec, trace_id))
    answer = located(run_id, told)
    if not entry.durable:
        answer.headers["Preference-Applied"] = "respond-async"
    return answer


def run_id_of(owner: str, key: str | None) -> str:
    """The same id for the same key of the same owner, else one of its own."""
    if key is None:
        return secrets.token_hex(16)
    return hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()[:32]


def accepted(run_id: str) -> Accepted:
    """Where to look for a task."""
    return Accepted(id=run_id, url=f"{TASKS}/{run_id}", events_url=f"{TASKS}/{run_id}/events")


def located(run_id: str, estimate: dict[str, JsonValue] | None = None) -> JSONResponse:
    """202 with the place of the task, and what it will take."""
    body = accepted(run_id).model_copy(update={"estimate": estimate})
    return JSONResponse(body.model_dump(mode="json"), 202, {"Location": body.url})


def known(found: Found | None, run_id: str) -> Found:
    """What was found.

    Raises:
        UnknownAsset: Nothing was.
    """
    if found is None:
        raise UnknownAsset(f"no such task: {run_id[:80]}; it may have been forgotten")
    return found


async def _ends(engine: Engine, run_id: str, owner: str, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            async for _ in engine.events(run_id, owner):
                pass
    except TimeoutError:
        return False
    return True


async def _blocks(events: AsyncIterator[Event]) -> AsyncGenerator[str, None]:
    async for event in events:
        yield block(event.name, event.model_dump_json(), event.number)


def plan_of(spec: Spec, steps: CapabilitySteps) -> Plan:
    """The order of a graph, and what it may take."""
    services = steps.services()
    order = waves({task.id: needs_of(task) for task in spec.tasks})
    planned = {
        task.id: PlannedTask(
            id=task.id,
            uses=task.uses,
            needs=needs_of(task),
            calls=known_size(task),
            typical_s=round(services[task.uses].typical_s(), 3),
        )
        for task in spec.tasks
    }
    return Plan(
        waves=order,
        tasks=tuple(planned.values()),
        time_s=round(sum(max(planned[name].typical_s for name in wave) for wave in order), 3),
        compute_s=round(sum(task.typical_s * (task.calls or 1) for task in planned.values()), 3),
    )
