"""A clip while it is made: the playlist of what can be played already."""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from graphs.principals import Principal
from graphs.routes.assets import asset_response
from graphs.routes.tasks import known
from models.core.artifacts import ASSET_ROUTE, ArtifactStore
from models.core.errors import UnknownAsset
from models.media.playlist import MEDIA_TYPE
from models.workflow.contract import Engine, RunStatus

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]

INLINE = f"data:{MEDIA_TYPE};base64,"
RETRY_S = 2.0


def video_routes(engine: Engine, store: ArtifactStore, admit: Admit, *, public: bool) -> APIRouter:
    """The live playlist of a task that makes a clip."""
    router = APIRouter(tags=["video"])
    admitted = Depends(admit("video"))

    @router.get("/api/v1/video/{task_id}/playlist.m3u8", response_class=Response)
    async def live_playlist(
        task_id: str, request: Request, caller: Annotated[Principal, admitted]
    ) -> Response:
        """An HLS playlist that grows while the clip is made; 404 until its first second."""
        status = known(await engine.status(task_id, caller.owner), task_id)
        place = _place_of(status)
        if place is None:
            raise UnknownAsset("nothing of this clip can be played yet", RETRY_S)
        if place.startswith(INLINE):
            text = b64decode(place.removeprefix(INLINE))
            return Response(text, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
        asset_id = place.removeprefix(ASSET_ROUTE)
        return await run_in_threadpool(
            asset_response, store, asset_id, caller.owner, request, public=public
        )

    return router


def _place_of(status: RunStatus) -> str | None:
    """URL of the newest playlist: the result's, or what the run has shown so far."""
    result = status.outputs.get("result")
    if isinstance(result, dict) and isinstance(assets := result.get("assets"), dict):
        playlist = assets.get("playlist")
        return str(playlist["url"]) if isinstance(playlist, dict) else None
    shown = next((task.preview_url for task in status.tasks if task.preview_url), None)
    return shown if shown and shown.startswith((INLINE, ASSET_ROUTE)) else None
