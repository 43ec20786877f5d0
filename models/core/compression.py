"""Which media types gain from gzip, and gzip that gives the same bytes for the same text."""

import gzip
from collections.abc import Iterable
from typing import IO

LEAST_BYTES = 1024
"""Below this, headers outweigh what is saved."""

_TEXT = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/wasm",
        "application/x-ndjson",
        "application/xml",
        "application/yaml",
        "image/svg+xml",
        "model/gltf+json",
        "model/mtl",
        "model/obj",
    }
)


def is_compressible(media_type: str, size_bytes: int) -> bool:
    """Whether a gzip sibling is worth keeping."""
    essence = media_type.partition(";")[0].strip().lower()
    is_text = essence in _TEXT or essence.startswith("text/") or essence.endswith(("+json", "+xml"))
    return is_text and size_bytes > LEAST_BYTES


def compress(chunks: Iterable[bytes], target: IO[bytes]) -> None:
    """Write chunks as one gzip member without name or time, so that it can be reproduced."""
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=target, mtime=0) as file:
        for chunk in chunks:
            file.write(chunk)
