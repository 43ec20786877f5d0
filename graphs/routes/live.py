"""A capability's answer as server-sent events: progress and previews, then the result."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from deployments.signs import Sign
from graphs.problems import InternalError, problem
from graphs.routes.server_sent import block, streamed
from models.core.errors import CapabilityError
from models.workflow.progress import data_url

logger = logging.getLogger(__name__)

REFUSAL_S: Final = 0.5  # within it, a failure is an answer with a status of its own

Work = Callable[[Callable[[Sign], None]], Awaitable[BaseModel]]


def wants_events(request: Request) -> bool:
    """Whether the caller would rather watch, RFC 9110: it accepts nothing but events."""
    accepted = ",".join(request.headers.getlist("accept")).split(",")
    return {item.split(";")[0].strip().lower() for item in accepted} == {"text/event-stream"}


class Telling:
    """How a run is told of: our events, unless a subclass has others."""

    def sign(self, sign: Sign) -> list[str]:
        """Events of a sign of life."""
        said = {"fraction": sign.fraction, "stage": sign.stage}
        blocks = [block("progress", json.dumps(said))]
        if sign.preview is not None:
            shown = {"media_type": sign.media_type, "url": data_url(sign.preview, sign.media_type)}
            blocks.append(block("preview", json.dumps(shown)))
        return blocks

    async def result(self, result: BaseModel) -> AsyncGenerator[str, None]:
        """Events of the end."""
        yield block("result", result.model_dump_json())

    def problem(self, error: CapabilityError, request_id: str) -> str:
        """The event of a failure."""
        return block("problem", bytes(problem(error, request_id).body).decode())


async def watched(work: Work, request_id: str, telling: Telling | None = None) -> Response:
    """Events of a run, which ends when nobody reads them any more.

    Args:
        work: The run; takes whom to tell of its signs.
        request_id: Correlates logs.
        telling: Words the events.

    Raises:
        CapabilityError: It failed at once.
    """
    signs: asyncio.Queue[Sign | None] = asyncio.Queue()
    run = asyncio.ensure_future(work(signs.put_nowait))
    run.add_done_callback(lambda _: signs.put_nowait(None))
    try:
        await asyncio.wait({run}, timeout=REFUSAL_S)
        if run.done() and run.exception() is not None:
            await run
    except asyncio.CancelledError:
        run.cancel()
        raise
    return streamed(_events(run, signs, request_id, telling or Telling()))


async def _events(
    run: "asyncio.Future[BaseModel]",
    signs: asyncio.Queue[Sign | None],
    request_id: str,
    telling: Telling,
) -> AsyncGenerator[str, None]:
    try:
        while (sign := await signs.get()) is not None:
            for text in telling.sign(sign):
                yield text
        error = run.exception()
        if error is None:
            async for text in telling.result(run.result()):
                yield text
        else:
            yield telling.problem(_known(error, request_id), request_id)
    finally:
        run.cancel()  # the reader left; or nothing, since the run is over


def _known(error: BaseException, request_id: str) -> CapabilityError:
    """The error as callers may see it."""
    if isinstance(error, CapabilityError):
        return error
    logger.error("run failed", exc_info=error, extra={"request_id": request_id})
    return InternalError(f"look for {request_id} in the logs")
