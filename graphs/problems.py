"""Every error as `application/problem+json` (RFC 9457)."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.openai_errors import openai_error, speaks_openai
from models.core import errors
from models.core.errors import CapabilityError
from models.workflow.calls import Overdue, Poisoned

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PROBLEM_BASE = "urn:orrery:problem:"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class BadRequest(CapabilityError):
    """The HTTP message itself is at fault."""

    code, status, title = "bad-request", 400, "The HTTP request is not valid"


class UnknownRoute(CapabilityError):
    """No route has this path."""

    code, status, title = "unknown-route", 404, "Not found"


class UnknownModel(CapabilityError):
    """No model has this name."""

    code, status, title = "model-not-found", 404, "Not found"


class WrongMethod(CapabilityError):
    """The route does not take this method."""

    code, status, title = "wrong-method", 405, "Method not allowed"


class PreconditionFailed(CapabilityError):
    """A condition of the request does not hold."""

    code, status, title = "precondition-failed", 412, "Precondition failed"


class RangeNotSatisfiable(CapabilityError):
    """The range lies beyond the asset."""

    code, status, title = "range-not-satisfiable", 416, "Range not satisfiable"


class UnsupportedMedia(CapabilityError):
    """The body is not JSON, or is compressed."""

    code, status, title = "unsupported-media-type", 415, "Unsupported media type"


class InternalError(CapabilityError):
    """A bug of ours; the log under the request id tells more."""

    code, status, title = "internal-error", 500, "Something went wrong on our side"


PROBLEMS: tuple[type[CapabilityError], ...] = (
    BadRequest,
    errors.Unauthenticated,
    errors.Forbidden,
    errors.UnknownAsset,
    UnknownRoute,
    UnknownModel,
    WrongMethod,
    errors.Conflict,
    PreconditionFailed,
    errors.TooLarge,
    UnsupportedMedia,
    RangeNotSatisfiable,
    errors.InvalidInput,
    errors.CapacityExceeded,
    errors.Cancelled,
    InternalError,
    errors.UpstreamUnavailable,
    errors.ModelUnavailable,
    errors.StorageFull,
    Overdue,
    Poisoned,
)


def problem(
    error: CapabilityError,
    request_id: str,
    **members: Any,  # noqa: ANN401 - JSON members
) -> JSONResponse:
    """Render an error; a known waiting time becomes `Retry-After`, rounded up."""
    headers = {"Cache-Control": "no-store"}
    body = {
        "type": PROBLEM_BASE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "request_id": request_id,
        **members,
    }
    if error.retry_after_s is not None:
        seconds = max(1, math.ceil(error.retry_after_s))
        headers["Retry-After"] = str(seconds)
        body["retry_after_s"] = seconds
    if error.status == errors.Unauthenticated.status:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, error.status, headers=headers, media_type=MEDIA_TYPE)


def refusal(
    path: str,
    error: CapabilityError,
    request_id: str,
    **members: Any,  # noqa: ANN401 - JSON members
) -> JSONResponse:
    """Render an error in the shape that callers of a path expect."""
    if speaks_openai(path):
        named = [item["pointer"].strip("/") for item in members.get("errors", ())]
        return openai_error(error, request_id, named)
    return problem(error, request_id, **members)


def _pointer(location: Sequence[str | int]) -> str:
    """RFC 6901 pointer into the body, or `query/name` for what is not in the body."""
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location[1:])
    return path if location[0] == "body" else f"{location[0]}{path}"


def request_id_of(request: Request) -> str:
    """The id under which logs and replies speak of this request."""
    return str(request.scope.get("state", {}).get("request_id", "-"))


async def _capability_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CapabilityError)  # noqa: S101 - registered for this class only
    if error.status >= InternalError.status:
        logger.warning("request refused", extra={"code": error.code, "detail": error.detail})
    return refusal(request.url.path, error, request_id_of(request))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    # The values stay out of the reply: they may be secrets or megabytes.
    found = [
        {"pointer": _pointer(e["loc"]), "detail": e["msg"].removeprefix("Value error, ")}
        for e in error.errors()
    ]
    said = "; ".join(f"{e['pointer'] or '/'}: {e['detail']}" for e in found[:5])
    if any(e["type"] == "json_invalid" for e in error.errors()):
        broken = BadRequest(f"the body is not JSON: {said}")
        return refusal(request.url.path, broken, request_id_of(request))
    refused = errors.InvalidInput(said)
    return refusal(request.url.path, refused, request_id_of(request), errors=found)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    path = request.url.path[:200]
    known: dict[int, CapabilityError] = {
        404: UnknownRoute(f"no route {path!r}; see /openapi.json for all routes"),
        405: WrongMethod(f"{request.method} is not allowed on {path!r}"),
    }
    found = known.get(error.status_code, BadRequest(error.detail))
    answer = refusal(request.url.path, found, request_id_of(request))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    if error.status_code == WrongMethod.status:
        answer.headers["Allow"] = ", ".join(_allowed(request))
    return answer


def _allowed(request: Request) -> list[str]:
    """Methods of all routes of the path; the router tells those of the first one alone."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


class CatchAll:
    """Middleware: what nothing else caught becomes a problem with an id to look up.

    Starlette's own handler of `Exception` raises again after answering, and Serve would log it
    a second time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer 500 if nothing was sent before the error."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            request_id = str(scope.get("state", {}).get("request_id", "-"))
            logger.exception("request failed", extra={"request_id": request_id})
            if started or scope["type"] != "http":
                raise
            error = InternalError(f"look for {request_id} in the logs")
            await refusal(scope["path"], error, request_id)(scope, receive, send)


def install(api: FastAPI) -> None:
    """Answer every error of the application as a problem."""
    api.add_middleware(CatchAll)
    api.add_exception_handler(CapabilityError, _capability_error)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http_error)
