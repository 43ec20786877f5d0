"""A clip while it is made: the playlist of what can be played already."""

from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool

from graphs.principals import Principal
from graphs.routes.assets import asset_response
from graphs.routes.tasks import known
from models.core.artifacts import ASSET_ROUTE, ArtifactStore
from models.core.errors import UnknownAsset
from models.media.playlist import MEDIA_TYPE, PROXY, note_in
from models.workflow.contract import FINAL, Engine, RunStatus

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]

INLINE = f"data:{MEDIA_TYPE};base64,"
RETRY_S = 2.0


def video_routes(engine: Engine, store: ArtifactStore, admit: Admit, *, public: bool) -> APIRouter:
    """The live playlist of a task that makes a clip."""
    router = APIRouter(tags=["video"])
    admitted = Depends(admit("video"))

    async def answered(
        request: Request, owner: str, status: RunStatus, place: str | None
    ) -> Response:
        if place is None and status.state in FINAL:
            raise UnknownAsset(f"there is no such playlist: the task is {status.state}")
        if place is None:
            raise UnknownAsset("nothing of this can be played yet", RETRY_S)
        if place.startswith(INLINE):
            headers = {"Cache-Control": "no-store"}
            return Response(_text_of(place), media_type=MEDIA_TYPE, headers=headers)
        asset_id = place.removeprefix(ASSET_ROUTE)
        return await run_in_threadpool(
            asset_response, store, asset_id, owner, request, public=public
        )

    @router.get("/api/v1/video/{task_id}/playlist.m3u8", response_class=Response)
    async def live_playlist(
        task_id: str, request: Request, caller: Annotated[Principal, admitted]
    ) -> Response:
        """An HLS playlist that grows while the clip is made; 404 until its first second."""
        status = known(await engine.status(task_id, caller.owner), task_id)
        return await answered(request, caller.owner, status, place_of(status))

    @router.get("/api/v1/video/{task_id}/proxy.m3u8", response_class=Response)
    async def live_proxy(
        task_id: str, request: Request, caller: Annotated[Principal, admitted]
    ) -> Response:
        """The same of the small film that is made first, where there is one."""
        status = known(await engine.status(task_id, caller.owner), task_id)
        return await answered(request, caller.owner, status, proxy_place_of(status))

    return router


def place_of(status: RunStatus) -> str | None:
    """URL of the newest playlist: the result's, or what the run has shown so far."""
    if (assets := _assets_of(status)) is not None:
        return _url_in(assets, "playlist")
    shown = _shown(status)
    return None if shown and _note_at(shown) == PROXY else shown


def proxy_place_of(status: RunStatus) -> str | None:
    """The same of the small film."""
    if (assets := _assets_of(status)) is not None:
        return _url_in(assets, "proxy_playlist")
    shown = _shown(status)
    note = _note_at(shown) if shown else ""
    return shown if note == PROXY else note.removeprefix(f"{PROXY} ") or None


def _assets_of(status: RunStatus) -> Mapping[str, JsonValue] | None:
    result = status.outputs.get("result")
    assets = result.get("assets") if isinstance(result, dict) else None
    return assets if isinstance(assets, dict) else None


def _url_in(assets: Mapping[str, JsonValue], name: str) -> str | None:
    asset = assets.get(name)
    return str(asset["url"]) if isinstance(asset, dict) else None


def _shown(status: RunStatus) -> str | None:
    shown = next((task.preview_url for task in status.tasks if task.preview_url), None)
    return shown if shown and shown.startswith((INLINE, ASSET_ROUTE)) else None


def _text_of(inline: str) -> str:
    return b64decode(inline.removeprefix(INLINE)).decode()


def _note_at(place: str) -> str:
    return note_in(_text_of(place)) if place.startswith(INLINE) else ""
