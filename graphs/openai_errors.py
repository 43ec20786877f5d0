"""Errors in the shape that clients of OpenAI's API understand, for the routes under `/v1/`."""

import math
from collections.abc import Sequence
from typing import Final

from fastapi.responses import JSONResponse

from models.core.errors import CapabilityError, CapacityExceeded, InvalidInput, Unauthenticated

PREFIX: Final = "/v1/"
BAD_REQUEST: Final = 400

_CODES: Final = {
    Unauthenticated.code: "invalid_api_key",
    CapacityExceeded.code: "rate_limit_exceeded",
}


def speaks_openai(path: str) -> bool:
    """Whether a route answers in OpenAI's shapes."""
    return path.startswith(PREFIX)


def openai_error(
    error: CapabilityError, request_id: str, parameters: Sequence[str] = ()
) -> JSONResponse:
    """Render an error.

    Args:
        error: What went wrong.
        request_id: Correlates logs; sent as a header, where the official clients look for it.
        parameters: Fields at fault.

    Source: OpenAI API reference, "Error codes".
    """
    status = BAD_REQUEST if error.status == InvalidInput.status else error.status
    headers = {"Cache-Control": "no-store", "X-Request-ID": request_id}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == Unauthenticated.status:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error_body(error, parameters)}, status, headers=headers)


def error_body(error: CapabilityError, parameters: Sequence[str] = ()) -> dict[str, str | None]:
    """What is said of an error."""
    return {
        "message": error.detail,
        "type": _kind(error.status),
        "param": parameters[0] if parameters else None,
        "code": _CODES.get(error.code, error.code.replace("-", "_")),
    }


def _kind(status: int) -> str:
    if status == CapacityExceeded.status:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
