"""Files of the caller's own, kept as assets: photos to learn from, pictures to edit, panoramas."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from graphs.principals import Principal
from graphs.problems import BadRequest, UnsupportedMedia
from models.core.artifacts import ArtifactStore, Asset, Provenance
from models.core.durable import full_disk_is_named, temporary_file
from models.core.errors import Cancelled, CapacityExceeded, InvalidInput

UPLOAD_ROUTE: Final = "/assets"
AT_ONCE: Final = 8
"""Uploads at a time: each holds up to `max_upload_bytes` of the disk until it is stored."""
LIMIT_S: Final = 300.0
"""A body that takes longer gives its place up: 64 MiB at 2 Mbit/s."""
RETRY_S: Final = 5.0
WRITE_BYTES: Final = 2**20
HEAD_BYTES: Final = 64
FULL: Final = "the disk for uploads is full; try again later, or enlarge it"

Admit = Callable[[str], Callable[[Request], Awaitable[Principal]]]


@dataclass(frozen=True)
class Kind:
    """A kind of file that may be uploaded.

    Attributes:
        extension: Of its name.
        starts: What its first bytes may be, as pairs of an offset and bytes.
    """

    extension: str
    starts: tuple[tuple[int, bytes], ...]

    def begins(self, head: bytes) -> bool:
        """Whether a file with these first bytes may be one."""
        return any(head[at:].startswith(magic) for at, magic in self.starts)


# None of them can run a script in a browser. Signatures: PNG (ISO 15948, 5.2), JPEG (T.81, B.1.1.3),
# WebP (RFC 9649, 2.4), AVIF (ISO 14496-12, 4.3 with its brands), OpenEXR's file layout, Radiance's
# header, ZIP (APPNOTE 4.3.7).
KINDS: Mapping[str, Kind] = {
    "image/png": Kind(".png", ((0, b"\x89PNG\r\n\x1a\n"),)),
    "image/jpeg": Kind(".jpg", ((0, b"\xff\xd8\xff"),)),
    "image/webp": Kind(".webp", ((8, b"WEBP"),)),
    "image/avif": Kind(".avif", ((4, b"ftypavif"), (4, b"ftypavis"), (4, b"ftypmif1"))),
    "image/x-exr": Kind(".exr", ((0, b"\x76\x2f\x31\x01"),)),
    "image/vnd.radiance": Kind(".hdr", ((0, b"#?RADIANCE"), (0, b"#?RGBE"))),
    "application/zip": Kind(".zip", ((0, b"PK\x03\x04"),)),
}

FileName = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,99}$", description="for downloads; not a path"),
]


def upload_routes(store: ArtifactStore, admit: Admit) -> APIRouter:
    """POST of a file, which becomes an asset of the caller's."""
    router = APIRouter(tags=["assets"])
    places = asyncio.Semaphore(AT_ONCE)
    content = {name: {"schema": {"type": "string", "format": "binary"}} for name in KINDS}

    @router.post(
        UPLOAD_ROUTE,
        status_code=201,
        summary="Keep a file as an asset",
        operation_id="upload",
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def upload(
        request: Request,
        response: Response,
        caller: Annotated[Principal, Depends(admit("assets"))],
        filename: FileName = None,
    ) -> Asset:
        """The body is the file itself, with its Content-Type."""
        media_type, kind = _kind(request)
        if places.locked():
            raise CapacityExceeded(f"{AT_ONCE} uploads are on their way already", RETRY_S)
        async with places:
            folder = Path(tempfile.gettempdir())
            with full_disk_is_named(FULL), temporary_file(folder) as (file, path):
                await _receive(request.stream(), file, media_type, kind)
                asset = await run_in_threadpool(
                    store.put,
                    path,
                    owner=caller.owner,
                    media_type=media_type,
                    filename=filename or f"upload{kind.extension}",
                    provenance=Provenance(capability="assets", backend="upload"),
                )
        response.headers["Location"] = asset.url
        return asset

    return router


def _kind(request: Request) -> tuple[str, Kind]:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in KINDS:
        raise UnsupportedMedia(
            f"files of type {media_type[:40]!r} are not kept; send one of {', '.join(KINDS)} as "
            "Content-Type"
        )
    return media_type, KINDS[media_type]


async def _receive(body: AsyncIterator[bytes], file: BinaryIO, media_type: str, kind: Kind) -> None:
    """Write the body down, in threads: the disk must not hold other requests up.

    Raises:
        BadRequest: It takes too long.
        Cancelled: The caller left.
        InvalidInput: It is not what its type says.
        TooLarge: It is longer than what may be uploaded.
    """
    held, checked = bytearray(), False
    try:
        async with asyncio.timeout(LIMIT_S):
            async for chunk in body:
                held += chunk
                if not checked and len(held) >= HEAD_BYTES:
                    _check(held, media_type, kind)
                    checked = True
                if len(held) >= WRITE_BYTES:
                    await run_in_threadpool(file.write, bytes(held))
                    held.clear()
    except TimeoutError as error:
        raise BadRequest(f"the body took longer than {LIMIT_S:.0f} s") from error
    except ClientDisconnect as error:
        raise Cancelled("the caller left before the file was here") from error
    if not checked:
        _check(held, media_type, kind)
    await run_in_threadpool(file.write, bytes(held))
    await run_in_threadpool(file.flush)


def _check(head: bytearray, media_type: str, kind: Kind) -> None:
    if not kind.begins(bytes(head[:HEAD_BYTES])):
        raise InvalidInput(f"the file does not begin as {media_type} does")
