"""The HTTP interface: routes over the catalogue, the assets, and the state of the service."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from graphs import problems
from graphs.answers import Answers
from graphs.calls import Calls
from graphs.entry import Entry
from graphs.limits import UPLOAD_BYTES, Admission
from graphs.principals import Doorkeeper, Principal
from graphs.ready_made import READY_MADE
from graphs.routes import openai_images, openai_videos
from graphs.routes.assets import asset_routes
from graphs.routes.capabilities import capability_routes
from graphs.routes.console import console_routes
from graphs.routes.plain import plain_routes
from graphs.routes.ready_made import ready_made_routes
from graphs.routes.scaling import scaling_routes
from graphs.routes.service import service_routes
from graphs.routes.tasks import task_routes
from graphs.routes.uploads import UPLOAD_ROUTE, upload_routes
from graphs.routes.videos import video_routes
from graphs.schema import Problem
from graphs.steps import CapabilitySteps
from graphs.versions import Versions
from models.core.artifacts import ArtifactStore
from models.workflow.contract import Engine

SUMMARY = "Self-hosted AI services on one Ray Serve cluster"


def build_api(
    catalogue: Sequence[Entry],
    calls: Calls,
    store: ArtifactStore,
    doorkeeper: Doorkeeper,
    *,
    version: str,
    max_body_bytes: int,
    max_upload_bytes: int = UPLOAD_BYTES,
    engine: Engine | None = None,
) -> FastAPI:
    """The whole application, ready for any ASGI server.

    Args:
        catalogue: What is served.
        calls: Reaches the capabilities.
        store: Holds the assets.
        doorkeeper: Tells who calls.
        version: Of the product.
        max_body_bytes: Longest request body.
        max_upload_bytes: Longest file that is uploaded.
        engine: Runs workflows; without one there are none.
    """
    # FastAPI's own documentation pages load scripts from elsewhere and know no keys.
    api = FastAPI(title="Orrery", version=version, openapi_url=None)
    problems.install(api)
    api.add_middleware(
        Admission,
        max_body_bytes=max_body_bytes,
        forms=openai_images.FORMS | openai_videos.FORMS,
        streams={UPLOAD_ROUTE: max_upload_bytes},
    )

    def admit(scope: str) -> Callable[[Request], Awaitable[Principal]]:
        async def principal(request: Request) -> Principal:
            client = request.client.host if request.client else None
            caller = doorkeeper.admit(request.headers, client)
            caller.require(scope)
            return caller

        return principal

    api.include_router(service_routes(catalogue, calls, version, admit))
    api.include_router(scaling_routes(calls, admit))
    answers = Answers(Versions(calls))
    # Before all others: they are tried in turn.
    for entry in catalogue:
        api.router.routes[:0] = plain_routes(entry, calls, admit, answers)
    steps = CapabilitySteps(catalogue, calls)
    tasks = None if engine is None else (engine, steps)
    api.include_router(capability_routes(catalogue, calls, admit, answers, tasks))
    if engine is not None:
        api.include_router(task_routes(engine, steps, admit))
        api.include_router(ready_made_routes(READY_MADE, engine, steps, admit))
        for entry in catalogue:
            if entry.name == "video":
                public = not doorkeeper.has_keys
                api.include_router(video_routes(engine, store, admit, public=public))
                api.include_router(
                    openai_videos.openai_videos(entry, engine, steps, store, admit, public=public)
                )
    api.include_router(openai_images.openai_image_routes(catalogue, calls, store, admit))
    api.include_router(asset_routes(store, doorkeeper, admit))
    api.include_router(upload_routes(store, admit))
    api.include_router(console_routes())

    @api.get("/openapi.json", include_in_schema=False, dependencies=[Depends(admit("status"))])
    async def openapi() -> JSONResponse:
        return JSONResponse(describe_api(api))

    return api


def describe_api(api: FastAPI) -> dict[str, Any]:
    """OpenAPI of the routes, every error of them a problem."""
    if api.openapi_schema is None:
        schema = get_openapi(
            title=api.title, version=api.version, summary=SUMMARY, routes=api.routes
        )
        parts = schema.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        parts["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        schema["security"] = [{"key": []}, {"header": []}, {}]
        body = {"schema": {"$ref": "#/components/schemas/Problem"}}
        refusal = {"description": "Problem", "content": {problems.MEDIA_TYPE: body}}
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                operation["responses"].update({"4XX": refusal, "5XX": refusal})
        api.openapi_schema = schema
    return api.openapi_schema
