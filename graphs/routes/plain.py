"""The ordinary call of an operation, answered without what its route can do besides.

Nearly every request is one: JSON that is valid, from a caller who may, to be waited for. The route
that FastAPI makes of the same entry solves dependencies, matches patterns and validates answers,
which takes longer than all the rest of the gateway. Whatever is not ordinary, a refusal included,
is left to that route as it came, so that each thing is said in one place and in the same words.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from graphs.answers import MEDIA_TYPE, Answers
from graphs.calls import Calls
from graphs.entry import Entry
from graphs.limits import replay
from graphs.principals import Principal
from graphs.problems import request_id_of
from models.core.errors import CapabilityError

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]

LEFT: Final = "orrery.left"
"""In the scope of a request that a plain route left to the others."""
UNUSUAL: Final = frozenset((b"prefer", b"idempotency-key"))
"""Headers by which a caller may ask for something else than the answer."""


class PlainRoute(BaseRoute):
    """One path of an operation that is waited for.

    Serve reads `path` and `methods` for its metrics.

    Args:
        path: Without parameters.
        entry: Is called; not durable.
        calls: Reaches it.
        admit: Tells who calls.
        answers: Those that are kept.
    """

    def __init__(
        self, path: str, entry: Entry, calls: Calls, admit: Admit, answers: Answers
    ) -> None:
        self.path = path
        self.methods = frozenset(("POST",))
        self._entry, self._calls, self._answers = entry, calls, answers
        self._admit = admit(entry.served_by)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A POST to this very path that was not left to others."""
        ours = (
            scope["type"] == "http"
            and scope["path"] == self.path
            and scope["method"] == "POST"
            and LEFT not in scope
        )
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or leave it to the routes that follow.

        Raises:
            CapabilityError: As the capability ended, or as it could not be reached.
        """
        request = Request(scope, receive)
        body = await request.body()
        asked = self._read(body) if _ordinary(scope) else None
        caller = None if asked is None else await self._admitted(request)
        if asked is None or caller is None:
            scope[LEFT] = True
            await scope["router"].app(scope, replay(body, receive), send)
            return
        answer = await self._answer(request, asked, caller.owner)
        await answer(scope, receive, send)

    def _read(self, body: bytes) -> BaseModel | None:
        try:
            return self._entry.request.model_validate(json.loads(body))
        except (ValueError, RecursionError, CapabilityError):
            return None

    async def _admitted(self, request: Request) -> Principal | None:
        try:
            return await self._admit(request)
        except CapabilityError:
            return None

    async def _answer(self, request: Request, asked: BaseModel, owner: str) -> Response:
        entry, request_id = self._entry, request_id_of(request)
        if entry.holds is None:
            content = await self._calls.content(entry, asked, owner, request_id)
            return Response(content, media_type=MEDIA_TYPE)
        work = partial(self._calls.run, entry, asked, owner, request_id)
        found = await self._answers.of(entry, asked, owner, request, work)
        assert isinstance(found, Response)  # noqa: S101 - as it is where an entry declares `holds`
        return found


def plain_routes(entry: Entry, calls: Calls, admit: Admit, answers: Answers) -> list[PlainRoute]:
    """Routes of an entry that stand before those of FastAPI."""
    if entry.method != "POST" or entry.durable:
        return []
    paths = (entry.route, *entry.aliases)
    return [PlainRoute(path, entry, calls, admit, answers) for path in paths if "{" not in path]


def _ordinary(scope: Scope) -> bool:
    """Whether nothing but the answer is asked for: no parameter, no task, no events."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    given: dict[bytes, Any] = dict(headers)
    return (
        not scope["query_string"]
        and UNUSUAL.isdisjoint(given)
        and given.get(b"content-type", b"").split(b";")[0].strip().lower() == b"application/json"
        and not any(
            name == b"accept" and b"text/event-stream" in value.lower() for name, value in headers
        )
    )
