"""What is refused before a body is parsed: its length, its coding, and a malformed request id."""

import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.problems import BadRequest, UnsupportedMedia, refusal
from models.core.errors import CapabilityError, TooLarge

UPLOAD_BYTES = 64 * 2**20
"""Longest file that is uploaded, unless a setting says otherwise."""
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


class Admission:
    """Middleware that gives each request its id and bounds its body.

    Args:
        app: What is protected.
        max_body_bytes: Longest body.
        forms: Paths whose body may also be a form, `multipart/form-data`.
        streams: Paths whose POST takes a file of any type, and its longest; the route reads it piece
            by piece, after it knows who calls.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        forms: frozenset[str] = frozenset(),
        streams: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._forms = forms
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass on with the length of the body checked."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        most = self._streams.get(scope["path"]) if scope["method"] == "POST" else None
        try:
            state["request_id"] = _request_id(headers)
            _check_length(headers, most or self._max_body_bytes)
            if most is None:
                _check_type(headers, may_be_form=scope["path"] in self._forms)
                body = await self._read(receive) if _has_body(headers) else b""
                checked = replay(body, receive)
            else:
                checked = _bounded(receive, most)
        except CapabilityError as error:
            answer = refusal(scope["path"], error, state.get("request_id", "-"))
            await answer(scope, receive, send)
            return
        await self._app(scope, checked, send)

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("the connection closed before the body ended")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body_bytes:
                raise _too_large(self._max_body_bytes)
        return bytes(body)


def _check_length(headers: Headers, most: int) -> None:
    coding = headers.get("content-encoding", "identity").lower()
    if coding != "identity":
        raise UnsupportedMedia(f"send the body without Content-Encoding, not as {coding[:20]!r}")
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest("Content-Length is not a number")
    if int(length) > most:
        raise _too_large(most)


def _check_type(headers: Headers, *, may_be_form: bool) -> None:
    media_type = headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media_type == "multipart/form-data" and may_be_form:
        return
    if _has_body(headers) and media_type != "application/json":
        raise UnsupportedMedia(
            "send the body as JSON, with the header `Content-Type: application/json`"
        )


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body may have at most {most} bytes")


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-request-id")
    if given is None:
        return secrets.token_hex(16)
    if not REQUEST_ID.match(given):
        raise BadRequest("X-Request-ID must match [A-Za-z0-9._-]{1,64}")
    return given


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then whatever follows it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _bounded(receive: Receive, most: int) -> Receive:
    """A `receive` that refuses the piece with which a body becomes too long."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise _too_large(most)
        return message

    return bounded
