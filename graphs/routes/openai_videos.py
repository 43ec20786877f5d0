"""OpenAI's video routes over the same tasks: `/v1/videos` in JSON and in forms.

OpenAI retired its own service; SGLang and vLLM-Omni serve the same shape, and clients know it.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from graphs.entry import Entry
from graphs.principals import Principal
from graphs.problems import BadRequest, request_id_of
from graphs.routes.assets import asset_response
from graphs.routes.tasks import Key, known, run_id_of
from graphs.steps import CapabilitySteps, uses_of
from models.core.artifacts import ASSET_ROUTE, ArtifactStore
from models.core.capability import Value
from models.core.errors import Conflict, InvalidInput, UnknownAsset
from models.workflow import contract
from models.workflow.contract import Engine, RunStatus, RunSummary
from models.workflow.spec import Spec, Task

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]

ROUTE: Final = "/v1/videos"
FORMS: Final = frozenset({ROUTE})
NAME: Final = "openai.video"
PREFIX: Final = "video_"
MODELS: Final = {name: name for name in ("auto", "nerf", "path-trace", "diffusion", "runway")}
STATUS: Final = {
    "pending": "queued",
    "running": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
VARIANTS: Final = {"video": "video", "thumbnail": "poster", "spritesheet": "sprite_sheet"}
PAGES_READ: Final = 20


class CreateVideo(BaseModel):
    """What OpenAI's clients send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1, max_length=1000)
    model: str = Field("auto", description="an engine of /api/v1/video/engines")
    seconds: str = Field("4", pattern=r"^\d{1,3}$")
    size: str = Field("1280x720", pattern=r"^\d{2,4}x\d{2,4}$")


class RemixVideo(BaseModel):
    """The same clip with other words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1, max_length=1000)


class VideoError(Value):
    """Why a clip failed."""

    code: str
    message: str


class Video(Value):
    """A clip as OpenAI's clients know it."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: str
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None = None
    prompt: str
    size: str
    seconds: str
    remixed_from_video_id: str | None
    error: VideoError | None


class VideoList(Value):
    """Clips, newest first."""

    object: Literal["list"] = "list"
    data: tuple[Video, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(Value):
    """That a clip is gone."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def openai_videos(
    entry: Entry,
    engine: Engine,
    steps: CapabilitySteps,
    store: ArtifactStore,
    admit: Admit,
    *,
    public: bool,
) -> APIRouter:
    """Create, list, get, delete, remix, and the bytes."""
    router = APIRouter(tags=["video"])
    Caller = Annotated[Principal, Depends(admit("video"))]  # noqa: N806 - a type
    clips = _Clips(entry, engine, steps, store)
    body = {
        "content": {
            kind: {"schema": CreateVideo.model_json_schema()}
            for kind in ("application/json", "multipart/form-data")
        }
    }

    @router.post(ROUTE, openapi_extra={"requestBody": body})
    async def create_video(request: Request, caller: Caller, key: Key = None) -> Video:
        """Film a prompt; the answer comes at once."""
        asked = await _read(request)
        run_id = run_id_of(caller.owner, key)
        return await clips.begin(asked, None, caller.owner, run_id, request_id_of(request))

    @router.get(ROUTE)
    async def list_videos(
        caller: Caller,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> VideoList:
        """Clips of the caller that were made by these routes."""
        found, more = await clips.list(caller.owner, after, limit, newest_first=order == "desc")
        return VideoList(
            data=found,
            first_id=found[0].id if found else None,
            last_id=found[-1].id if found else None,
            has_more=more,
        )

    @router.get(ROUTE + "/{video_id}")
    async def get_video(video_id: str, caller: Caller) -> Video:
        """State and progress."""
        return clips.shown(await clips.find(video_id, caller.owner))

    @router.delete(ROUTE + "/{video_id}")
    async def delete_video(video_id: str, caller: Caller) -> VideoDeleted:
        """Stop it if it is under way, and drop its files."""
        await clips.delete(video_id, caller.owner)
        return VideoDeleted(id=video_id)

    @router.post(ROUTE + "/{video_id}/remix")
    async def remix_video(
        video_id: str, body: RemixVideo, request: Request, caller: Caller, key: Key = None
    ) -> Video:
        """The same seed, size and length with another prompt."""
        run_id = run_id_of(caller.owner, key)
        status = await clips.find(video_id, caller.owner)
        return await clips.remix(status, body, caller.owner, run_id, request_id_of(request))

    @router.get(ROUTE + "/{video_id}/content", response_class=Response)
    async def video_content(
        video_id: str,
        request: Request,
        caller: Caller,
        variant: Literal["video", "thumbnail", "spritesheet"] = "video",
    ) -> Response:
        """The bytes of the clip, its poster or its thumbnails; ranges are served."""
        asset_id = _asset_of(await clips.find(video_id, caller.owner), VARIANTS[variant])
        return await run_in_threadpool(
            asset_response, store, asset_id, caller.owner, request, public=public
        )

    return router


class _Clips:
    """Tasks that these routes have made."""

    def __init__(
        self, entry: Entry, engine: Engine, steps: CapabilitySteps, store: ArtifactStore
    ) -> None:
        self._entry, self._engine, self._steps, self._store = entry, engine, steps, store

    async def begin(
        self, asked: CreateVideo, remixed: RunStatus | None, owner: str, run_id: str, trace: str
    ) -> Video:
        body = _arguments(asked, None if remixed is None else _seed_of(remixed))
        if self._entry.estimate is not None:
            self._entry.estimate(self._entry.request.model_validate(body))
        uses = uses_of(self._entry)
        given: dict[str, JsonValue] = {name: f"${{{{ inputs.body.{name} }}}}" for name in body}
        inputs: dict[str, JsonValue] = {
            "body": body,
            "asked": asked.model_dump(),
            "remixed_from": None if remixed is None else PREFIX + remixed.run_id,
        }
        spec = Spec(
            name=NAME,
            inputs=inputs,
            tasks=(Task(id="video", uses=uses, arguments=given),),
            outputs={"result": "${{ tasks.video.outputs }}"},
        )
        await self._steps.require(spec)
        await self._engine.submit(contract.Request(run_id, owner, spec, trace))
        return self.shown(known(await self._engine.status(run_id, owner), run_id))

    async def remix(
        self, status: RunStatus, body: RemixVideo, owner: str, run_id: str, trace: str
    ) -> Video:
        if status.state != "completed":
            raise Conflict(f"only a completed video can be remixed, this is {status.state}")
        asked = CreateVideo.model_validate(status.inputs["asked"])
        other = asked.model_copy(update={"prompt": body.prompt})
        return await self.begin(other, status, owner, run_id, trace)

    async def find(self, video_id: str, owner: str) -> RunStatus:
        status = await self._engine.status(video_id.removeprefix(PREFIX), owner)
        if status is None or status.name != NAME or await self._is_gone(status, owner):
            raise UnknownAsset(f"no such video: {video_id[:80]}; it may have been deleted")
        return status

    async def _is_gone(self, status: RunStatus, owner: str) -> bool:
        if status.state != "completed":
            return False
        try:
            await run_in_threadpool(self._store.stat, _asset_of(status, "video"), owner)
        except UnknownAsset:
            return True
        return False

    async def list(
        self, owner: str, after: str | None, limit: int, *, newest_first: bool
    ) -> tuple[tuple[Video, ...], bool]:
        names = [run.run_id async for run in self._runs(owner)]
        if not newest_first:
            names.reverse()
        if after is not None:
            start = after.removeprefix(PREFIX)
            names = names[names.index(start) + 1 :] if start in names else []
        found: list[Video] = []
        for name in names:
            if len(found) == limit:
                return tuple(found), True
            status = await self._engine.status(name, owner)
            if status is not None and not await self._is_gone(status, owner):
                found.append(self.shown(status))
        return tuple(found), False

    async def _runs(self, owner: str) -> AsyncIterator[RunSummary]:
        cursor: str | None = None
        for _ in range(PAGES_READ):
            page = await self._engine.find(contract.Query(owner, limit=200, cursor=cursor))
            for run in page.runs:
                if run.name == NAME:
                    yield run
            cursor = page.cursor
            if cursor is None:
                return

    async def delete(self, video_id: str, owner: str) -> None:
        status = await self.find(video_id, owner)
        if status.state != "completed":
            await self._engine.cancel(status.run_id, owner)
            return
        await run_in_threadpool(self._drop, _assets(status), owner)

    def _drop(self, assets: dict[str, str], owner: str) -> None:
        """Delete the files of a clip, those that its playlist names included."""
        names = list(assets.values())
        if "playlist" in assets:
            text = b"".join(self._store.read(assets["playlist"], owner)).decode()
            names += re.findall(f"{ASSET_ROUTE}([0-9a-f]{{64}})", text)
        for name in names:
            try:
                self._store.delete(name, owner)
            except UnknownAsset:
                continue  # an equal clip shared it, and was deleted before

    def shown(self, status: RunStatus) -> Video:
        asked = CreateVideo.model_validate(status.inputs["asked"])
        remixed = status.inputs.get("remixed_from")
        ended = status.finished_at
        return Video(
            id=PREFIX + status.run_id,
            model=asked.model,
            status=STATUS[status.state],
            progress=100 if status.state == "completed" else min(99, int(100 * status.progress)),
            created_at=int(status.created_at.timestamp()),
            completed_at=int(ended.timestamp()) if ended and status.state == "completed" else None,
            prompt=asked.prompt,
            size=asked.size,
            seconds=asked.seconds,
            remixed_from_video_id=remixed if isinstance(remixed, str) else None,
            error=_error_of(status),
        )


async def _read(request: Request) -> CreateVideo:
    media_type = request.headers.get("content-type", "")
    raw = await request.body()
    if not media_type.lower().startswith("multipart/form-data"):
        try:
            return CreateVideo.model_validate_json(raw)
        except ValidationError as error:
            raise _invalid(error) from error
    head = f"Content-Type: {media_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + raw)
    if not message.is_multipart():
        raise BadRequest("the form has no parts, or no boundary")
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        if part.get_filename() is not None:
            raise InvalidInput(
                f"{name} is a file: a clip that begins with a picture is asked for by the field "
                "image of /api/v1/generate/video"
            )
        content = part.get_payload(decode=True)
        fields[name] = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    try:
        return CreateVideo.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidInput:
    found = error.errors(include_input=False, include_url=False)
    return InvalidInput("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in found[:5]))


def _arguments(asked: CreateVideo, seed: int | None) -> dict[str, JsonValue]:
    """Our request of theirs."""
    if asked.model not in MODELS:
        raise InvalidInput(f"no such model: {asked.model[:40]!r}; there are {', '.join(MODELS)}")
    width, height = (int(side) for side in asked.size.split("x"))
    body: dict[str, JsonValue] = {
        "prompt": asked.prompt,
        "engine": MODELS[asked.model],
        "width": width,
        "height": height,
        "duration_s": float(asked.seconds),
    }
    return body if seed is None else body | {"seed": seed}


def _seed_of(status: RunStatus) -> int | None:
    result = status.outputs.get("result")
    return TypeAdapter(int).validate_python(result["seed"]) if isinstance(result, dict) else None


def _error_of(status: RunStatus) -> VideoError | None:
    if status.state == "cancelled":
        return VideoError(code="cancelled", message="the video was cancelled")
    if status.state != "failed":
        return None
    failure = status.failure or next((t.failure for t in status.tasks if t.failure), None)
    if failure is None:
        return VideoError(code="internal-error", message="the task failed")
    return VideoError(code=failure.code, message=failure.detail)


def _asset_of(status: RunStatus, name: str) -> str:
    """Id of one of the files.

    Raises:
        Conflict: The clip is not finished, or failed.
    """
    if status.state != "completed":
        raise Conflict(f"the video is {STATUS[status.state]}; wait until it is completed", 2.0)
    return _assets(status)[name]


def _assets(status: RunStatus) -> dict[str, str]:
    result = status.outputs["result"]
    assert isinstance(result, dict)  # noqa: S101 - what the capability promises
    assets = result["assets"]
    assert isinstance(assets, dict)  # noqa: S101 - the same
    return {n: str(a["id"]) for n, a in assets.items() if isinstance(a, dict)}
