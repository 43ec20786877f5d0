"""File names and media types that cannot harm a browser: RFC 6266 and RFC 8187."""

import re
import unicodedata
from urllib.parse import quote

FALLBACK_TYPE = "application/octet-stream"
LONGEST_NAME = 120

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  # RFC 9110's word for a bare word
_MEDIA_TYPE = re.compile(
    rf'{_TOKEN}/{_TOKEN}( *; *{_TOKEN}=({_TOKEN}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*'
)
_SHOWN = frozenset(
    {
        "application/json",
        "application/problem+json",
        "image/apng",
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "model/gltf+json",
        "model/gltf-binary",
        "text/csv",
        "text/plain",
    }
)
"""What a browser shows without running anything in it; video and audio besides."""

_ATTR_CHARS = "!#$&+-.^_`|~"


def safe_media_type(media_type: str) -> str:
    """The media type if it is one, so that it can carry no header of its own."""
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else FALLBACK_TYPE


def content_disposition(filename: str, media_type: str, fallback: str) -> str:
    """Value of `Content-Disposition`: inline only for types that cannot run a script.

    Args:
        filename: As its maker named it; folders, controls and marks of direction are removed.
        media_type: Of the asset.
        fallback: A name for when nothing is left.
    """
    essence = media_type.partition(";")[0].strip().lower()
    shown = essence in _SHOWN or essence.startswith(("video/", "audio/"))
    name = safe_filename(filename) or fallback
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    value = f'{"inline" if shown else "attachment"}; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"
    return value


def safe_filename(filename: str) -> str:
    """The last part of a path without what could mislead a shell or a reader; may be empty."""
    last = re.split(r"[/\\]", filename)[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C")
    kept = kept.strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if len(kept) > LONGEST_NAME and dot and len(suffix) < LONGEST_NAME // 4:
        return f"{stem[: LONGEST_NAME - len(suffix) - 1]}.{suffix}"
    return kept[:LONGEST_NAME]
