"""Server-sent events, as the HTML standard has them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from starlette.responses import StreamingResponse

HEARTBEAT_S: Final = 15.0


def streamed(blocks: AsyncGenerator[str, None]) -> StreamingResponse:
    """An answer that no proxy keeps or holds back."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(kept_open(blocks), media_type="text/event-stream", headers=headers)


def block(name: str, data: str, number: int | None = None) -> str:
    """One event; its data is a line of JSON."""
    identity = "" if number is None else f"id: {number}\n"
    return f"{identity}event: {name}\ndata: {data}\n\n"


async def kept_open(blocks: AsyncGenerator[str, None]) -> AsyncIterator[str]:
    """The blocks, with a comment now and then so that proxies keep the line open."""
    coming: asyncio.Task[str] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(blocks))
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_S)
            if not done:
                yield ": still here\n\n"
                continue
            try:
                text, coming = coming.result(), None
            except StopAsyncIteration:
                return
            yield text
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])
        await blocks.aclose()
