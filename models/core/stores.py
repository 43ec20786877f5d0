"""Opens the artifact store that a setting names."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from models.core.artifacts import ArtifactStore
from models.core.errors import InvalidInput
from models.core.local_store import GIB, LocalArtifactStore
from models.core.remote_store import RemoteArtifactStore


def open_store(
    url_or_path: str | Path,
    *,
    min_free_bytes: int = GIB,
    **options: Any,  # noqa: ANN401  # the driver's own
) -> ArtifactStore:
    """Open a store in a folder (a path or `file://`) or in an object store (`s3://`, `gs://`).

    Args:
        url_or_path: Where the artifacts are.
        min_free_bytes: What a folder leaves free on its device.
        options: For the driver of an object store.

    Raises:
        InvalidInput: The URL cannot be opened, or its driver is not installed.
    """
    text = str(url_or_path)
    if "://" not in text:
        return LocalArtifactStore(Path(text), min_free_bytes=min_free_bytes)
    if not text.startswith("file://"):
        return RemoteArtifactStore(text, **options)
    url = urlsplit(text)
    if url.netloc not in ("", "localhost"):
        raise InvalidInput(f"{text!r} names another host; write file:///path/to/folder")
    return LocalArtifactStore(Path(unquote(url.path)), min_free_bytes=min_free_bytes)
