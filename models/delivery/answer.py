"""The answer to a request for an asset."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from models.core.artifacts import Encoding
from models.delivery.cache import NO_STORE, cache_control
from models.delivery.codings import choose_encoding
from models.delivery.conditions import failed_precondition, http_date, range_applies
from models.delivery.disposition import content_disposition, safe_media_type
from models.delivery.ranges import ByteRange, parse_ranges
from models.delivery.representation import Representation

METHODS = ("GET", "HEAD")
SANDBOX = "default-src 'none'; sandbox"


class Slice(NamedTuple):
    """Bytes of the asset, to be read from its store in the answer's encoding."""

    start: int
    length: int


Part: TypeAlias = bytes | Slice


@dataclass(frozen=True)
class Answer:
    """What to send: the parts one after the other are the body.

    Attributes:
        parts: Literal bytes and slices; empty where there is no body.
        encoding: The form of the asset that the slices are taken from.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...] = ()
    encoding: Encoding = "identity"

    @property
    def body_bytes(self) -> int:
        """Length of the body."""
        return sum(p.length if isinstance(p, Slice) else len(p) for p in self.parts)


def answer(
    method: str,
    headers: Mapping[str, str],
    representation: Representation,
    *,
    public: bool,
    now: datetime,
    alias: bool = False,
) -> Answer:
    """Answer a request for an asset that exists and may be seen.

    Args:
        method: Of the request.
        headers: Of the request, names in any case; repeated ones joined by commas.
        representation: The asset.
        public: Whether shared caches may keep it.
        now: For `Date`.
        alias: The URL is not made of the content.
    """
    if method not in METHODS:
        return _refusal(405, now, ("Allow", ", ".join(METHODS)))
    fields = {name.lower(): value.strip(" \t") for name, value in headers.items()}
    if method == "HEAD":
        fields.pop("range", None)
    encoding = choose_encoding(fields, representation)
    etag, modified = representation.etag(encoding), min(representation.last_modified, now)
    status = failed_precondition(fields, etag, modified)
    if status == 412:
        return _refusal(412, now)
    caching = _caching(representation, etag, now, cache_control(public=public, alias=alias))
    if status == 304:
        return Answer(304, caching, encoding=encoding)
    described = (*caching, *_description(representation, encoding, http_date(modified)))
    codings = 1 if representation.gzip_bytes is None else 2
    if "range" in fields and range_applies(fields, etag, modified, codings=codings):
        partial = _partial(fields["range"], representation, encoding, described, now)
        if partial is not None:
            return partial
    size = representation.size(encoding)
    whole = (*described, ("Content-Type", safe_media_type(representation.media_type)))
    body = (Slice(0, size),) if method == "GET" and size else ()
    return Answer(200, (*whole, ("Content-Length", str(size))), body, encoding)


def not_found(now: datetime) -> Answer:
    """The one answer for what does not exist, is no asset, or belongs to somebody else."""
    return _refusal(404, now)


def _partial(
    header: str,
    representation: Representation,
    encoding: Encoding,
    described: tuple[tuple[str, str], ...],
    now: datetime,
) -> Answer | None:
    """A 206 or 416; `None` where the whole is the better answer."""
    size = representation.size(encoding)
    ranges = parse_ranges(header, size)
    if ranges is None:
        return None
    if not ranges:
        return _refusal(416, now, ("Content-Range", f"bytes */{size}"))
    media_type = safe_media_type(representation.media_type)
    if len(ranges) == 1:
        fields = (
            *described,
            ("Content-Type", media_type),
            ("Content-Range", ranges[0].content_range(size)),
            ("Content-Length", str(ranges[0].length)),
        )
        return Answer(206, fields, (Slice(ranges[0].start, ranges[0].length),), encoding)
    if encoding != "identity":
        return None  # Content-Encoding would be read as the coding of the multipart body
    boundary = hashlib.sha256(f"{representation.id} {ranges}".encode()).hexdigest()[:32]
    multipart = Answer(206, (), _multipart(ranges, size, media_type, boundary), encoding)
    if multipart.body_bytes > size:
        return None
    fields = (
        *described,
        ("Content-Type", f"multipart/byteranges; boundary={boundary}"),
        ("Content-Length", str(multipart.body_bytes)),
    )
    return Answer(206, fields, multipart.parts, encoding)


def _multipart(
    ranges: Sequence[ByteRange], size: int, media_type: str, boundary: str
) -> tuple[Part, ...]:
    parts: list[Part] = []
    for number, item in enumerate(ranges):
        lead = "\r\n" if number else ""
        head = f"{lead}--{boundary}\r\nContent-Type: {media_type}\r\n"
        head += f"Content-Range: {item.content_range(size)}\r\n\r\n"
        parts += [head.encode(), Slice(item.start, item.length)]
    return (*parts, f"\r\n--{boundary}--\r\n".encode())


def _caching(
    representation: Representation, etag: str, now: datetime, control: str
) -> tuple[tuple[str, str], ...]:
    """What a 304 repeats (RFC 9110, section 15.4.5)."""
    fields = (("Date", http_date(now)), ("ETag", etag), ("Cache-Control", control))
    if representation.gzip_bytes is None:
        return fields
    return (*fields, ("Vary", "Accept-Encoding"))


def _description(
    representation: Representation, encoding: Encoding, modified: str
) -> tuple[tuple[str, str], ...]:
    disposition = content_disposition(
        representation.filename, representation.media_type, representation.id[:16]
    )
    fields: tuple[tuple[str, str], ...] = (
        ("Last-Modified", modified),
        ("Accept-Ranges", "bytes"),
        ("Content-Disposition", disposition),
        ("X-Content-Type-Options", "nosniff"),
    )
    if disposition.startswith("attachment"):
        fields = (*fields, ("Content-Security-Policy", SANDBOX))
    return (*fields, ("Content-Encoding", "gzip")) if encoding == "gzip" else fields


def _refusal(status: int, now: datetime, *extra: tuple[str, str]) -> Answer:
    fields = (("Date", http_date(now)), ("Cache-Control", NO_STORE), *extra)
    return Answer(status, (*fields, ("Content-Length", "0")))
