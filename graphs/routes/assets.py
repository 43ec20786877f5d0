"""The bytes of what was made, over HTTP as RFC 9110 has it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from models.delivery.answer import Answer, Representation, answer

from graphs.principals import Doorkeeper, Principal
from models.core.artifacts import ASSET_ROUTE, ArtifactStore

Admit = Callable[[str], Callable[[Request], Principal]]


def asset_routes(store: ArtifactStore, doorkeeper: Doorkeeper, admit: Admit) -> APIRouter:
    """GET and HEAD of an asset that the caller owns."""
    router = APIRouter(tags=["assets"])
    caller_of = Depends(admit("assets"))
    public = not doorkeeper.has_keys

    # Plain functions: the store blocks, so FastAPI runs them in its thread pool.
    @router.get(ASSET_ROUTE + "{asset_id}", response_class=Response)
    @router.head(ASSET_ROUTE + "{asset_id}", include_in_schema=False)
    def asset(asset_id: str, request: Request, caller: Annotated[Principal, caller_of]) -> Response:
        """The bytes, whole or in ranges; 304 where the client has them already."""
        record = store.stat(asset_id, caller.owner)
        representation = Representation(
            id=record.asset.id,
            media_type=record.asset.media_type,
            size_bytes=record.asset.size_bytes,
            gzip_bytes=record.gzip_bytes,
            last_modified=record.asset.created_at,
            filename=record.asset.filename,
        )
        found = answer(
            request.method, request.headers, representation, public=public, now=datetime.now(UTC)
        )
        body = _chunks(store, asset_id, caller.owner, found)
        return StreamingResponse(body, found.status, dict(found.headers))

    return router


def _chunks(store: ArtifactStore, asset_id: str, owner: str, found: Answer) -> Iterator[bytes]:
    for part in found.parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from store.read(asset_id, owner, part.start, part.length, found.coding)
