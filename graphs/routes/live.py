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


async def watched(work: Work, request_id: str) -> Response:
    """Events of a run, which ends when nobody reads them any more.

    Args:
        work: The run; takes whom to tell of its signs.
        request_id: Correlates logs.

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
    return streamed(_events(run, signs, request_id))


async def _events(
    run: "asyncio.Future[BaseModel]", signs: asyncio.Queue[Sign | None], request_id: str
) -> AsyncGenerator[str, None]:
    try:
        while (sign := await signs.get()) is not None:
            yield block("progress", json.dumps({"fraction": sign.fraction, "stage": sign.stage}))
            if sign.preview is not None:
                shown = {
                    "media_type": sign.media_type,
                    "url": data_url(sign.preview, sign.media_type),
                }
                yield block("preview", json.dumps(shown))
        yield _ending(run, request_id)
    finally:
        run.cancel()  # the reader left; or nothing, since the run is over


def _ending(run: "asyncio.Future[BaseModel]", request_id: str) -> str:
    error = run.exception()
    if error is None:
        return block("result", run.result().model_dump_json())
    if not isinstance(error, CapabilityError):
        logger.error("run failed", exc_info=error, extra={"request_id": request_id})
        error = InternalError(f"look for {request_id} in the logs")
    return block("problem", bytes(problem(error, request_id).body).decode())
