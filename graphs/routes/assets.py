"""The bytes of what was made, over HTTP as RFC 9110 has it."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse

from graphs.principals import Doorkeeper, Principal
from graphs.problems import PreconditionFailed, RangeNotSatisfiable, problem, request_id_of
from models.core.artifacts import ASSET_ROUTE, ArtifactStore
from models.core.errors import CapabilityError
from models.delivery import Answer, Representation, answer

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]


def asset_routes(store: ArtifactStore, doorkeeper: Doorkeeper, admit: Admit) -> APIRouter:
    """GET, HEAD and DELETE of an asset that the caller owns."""
    router = APIRouter(tags=["assets"])
    caller_of = Depends(admit("assets"))
    public = not doorkeeper.has_keys

    # Plain functions: the store blocks, so FastAPI runs them in its thread pool.
    @router.get(ASSET_ROUTE + "{asset_id}", response_class=Response)
    @router.head(ASSET_ROUTE + "{asset_id}", include_in_schema=False)
    def asset(asset_id: str, request: Request, caller: Annotated[Principal, caller_of]) -> Response:
        """The bytes, whole or in ranges; 304 where the client has them already."""
        return asset_response(store, asset_id, caller.owner, request, public=public)

    @router.delete(ASSET_ROUTE + "{asset_id}", status_code=204, response_class=Response)
    def delete_asset(asset_id: str, caller: Annotated[Principal, caller_of]) -> None:
        """Forget an asset: what others own of the same bytes stays, and so do copies in caches."""
        store.delete(asset_id, caller.owner)

    return router


def asset_response(
    store: ArtifactStore, asset_id: str, owner: str, request: Request, *, public: bool
) -> Response:
    """The answer to a request for an asset; `public` where it needs no key.

    Raises:
        UnknownAsset: The owner has no such asset.
    """
    found = answer(
        request.method,
        request.headers,
        Representation.of(store.stat(asset_id, owner)),
        public=public,
        now=datetime.now(UTC),
    )
    # The server tells the time itself, and a second date would make the first one invalid.
    headers = {name: value for name, value in found.headers if name != "Date"}
    if found.status >= PreconditionFailed.status:
        return _refusal(found.status, headers, request)
    body = _chunks(store, asset_id, owner, found)
    return StreamingResponse(body, found.status, headers)


def _chunks(store: ArtifactStore, asset_id: str, owner: str, found: Answer) -> Iterator[bytes]:
    for part in found.parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from store.read(asset_id, owner, part.start, part.length, found.encoding)


def _refusal(status: int, headers: dict[str, str], request: Request) -> Response:
    """A problem that keeps what the refusal says of the asset."""
    refusals: dict[int, CapabilityError] = {
        412: PreconditionFailed("the asset is not the one that the condition names"),
        416: RangeNotSatisfiable("no byte of the asset is in the range; see Content-Range"),
    }
    response = problem(refusals[status], request_id_of(request))
    if "Content-Range" in headers:
        response.headers["Content-Range"] = headers["Content-Range"]
    return response
