"""Artifacts in an object store: S3, Google Cloud Storage, or the memory of a test."""

import gzip
import hashlib
import io
import logging
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]  # ships no types

from models.core.artifacts import (
    CHUNK_BYTES,
    PREVIEW,
    Asset,
    AssetRecord,
    Encoding,
    Fault,
    Provenance,
    checked_id,
    chunks_of,
    owner_key,
    size_of,
    slice_of,
    unknown,
)
from models.core.compression import compress, is_compressible
from models.core.errors import CapabilityError, InvalidInput, UpstreamUnavailable

REQUEST_BYTES = 4 * 1024 * 1024
"""What one ranged request asks for: fewer requests than chunks."""

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
RETRY_AFTER_S = 5.0

logger = logging.getLogger(__name__)


class RemoteArtifactStore:
    """An `ArtifactStore` below a URL of an object store.

    Args:
        url: Bucket and prefix, such as `s3://bucket/orrery`.
        options: For the driver, such as `endpoint_url`; credentials come from its usual places.

    One object is written whole or not at all, and the record of an asset after its bytes, so
    whatever has a record is whole. Records lie at `records/<id>/<hash of the owner>.json`: who
    still has one is a single listing. An object store has no lock: a `put` that meets the
    `delete` of the last record of the same bytes can lose them. `verify` reports that, and
    another `put` repairs it.
    """

    def __init__(self, url: str, **options: Any) -> None:  # noqa: ANN401  # the driver's own
        self._fs, self._root = _open(url, options)

    def put(
        self,
        content: bytes | Path,
        *,
        owner: str,
        media_type: str,
        filename: str,
        provenance: Provenance,
    ) -> Asset:
        """Keep the bytes durably; the same bytes of the same owner keep their first record.

        Raises:
            UpstreamUnavailable: The object store did not take them.
        """
        digest, size = hashlib.sha256(), size_of(content)
        for chunk in chunks_of(content):
            digest.update(chunk)
        asset = Asset(
            id=digest.hexdigest(),
            media_type=media_type,
            size_bytes=size,
            filename=filename,
            created_at=datetime.now(UTC),
        )
        with _reachable():
            self._upload(content, self._blob(asset.id), size)
            first = self._record(asset.id, owner)
            if first is not None and (not first.is_passing or provenance == PREVIEW):
                return first.asset
            record = AssetRecord(
                asset=asset,
                owner=owner,
                provenance=provenance,
                gzip_bytes=self._upload_gzip(content, asset),
            )
            self._fs.pipe_file(self._record_key(asset.id, owner), record.to_json())
        return asset

    def stat(self, asset_id: str, owner: str) -> AssetRecord:
        """The owner's record.

        Raises:
            UnknownAsset: There is none, or the id is no SHA-256.
            UpstreamUnavailable: The object store did not answer.
        """
        with _reachable():
            record = self._record(checked_id(asset_id), owner)
        if record is None:
            raise unknown(asset_id)
        return record

    def owned(self, owner: str, media_type: str) -> Iterator[AssetRecord]:
        """The owner's records of one type, in no order; lists all records, reads the owner's.

        Raises:
            UpstreamUnavailable: The object store did not answer.
        """
        name = f"/{owner_key(owner)}.json"
        with _reachable():
            keys = [key for key in self._fs.find(f"{self._root}/records") if key.endswith(name)]
            found = self._fs.cat(keys, on_error="return") if keys else {}
        for content in found.values():
            if isinstance(content, FileNotFoundError):
                continue  # deleted meanwhile
            with _reachable():
                if isinstance(content, Exception):
                    raise content
            record = AssetRecord.model_validate_json(content)
            if record.asset.media_type == media_type:
                yield record

    def read(
        self,
        asset_id: str,
        owner: str,
        start: int = 0,
        length: int | None = None,
        encoding: Encoding = "identity",
    ) -> Iterator[bytes]:
        """Yield the bytes of a slice in chunks; what lies beyond the end is left out.

        Raises:
            UnknownAsset: The owner has no such asset; raised before the first chunk.
            InvalidInput: There is no gzip form, or the slice begins or ends before byte 0.
            UpstreamUnavailable: The object store did not answer, or gave too few bytes.
        """
        first, end = slice_of(self.stat(asset_id, owner), encoding, start, length)
        return self._read_slice(self._blob(asset_id, encoding), first, end)

    def delete(self, asset_id: str, owner: str) -> None:
        """Drop the owner's record, and the bytes once nobody has one.

        Raises:
            UnknownAsset: The owner has no such asset.
            UpstreamUnavailable: The object store did not answer.
        """
        self.stat(asset_id, owner)
        with _reachable():
            self._fs.rm_file(self._record_key(asset_id, owner))
            if not self._fs.find(f"{self._root}/records/{asset_id}"):
                for encoding in ("gzip", "identity"):
                    if self._size(self._blob(asset_id, encoding)) is not None:
                        self._fs.rm_file(self._blob(asset_id, encoding))

    def verify(self) -> Iterator[Fault]:
        """Hash everything again and yield what is corrupt or missing; this reads every byte."""
        with _reachable():
            blobs = self._fs.find(f"{self._root}/blobs", detail=True)
            records = self._fs.find(f"{self._root}/records")
        sizes = {key.rsplit("/", 1)[-1]: int(info["size"]) for key, info in blobs.items()}
        for name, size in sizes.items():
            asset_id = name.removesuffix(".gz")
            if self._hash(asset_id, name, size) != asset_id:
                yield Fault(asset_id, f"{name} does not match its SHA-256")
        for key in records:
            with _reachable():
                record = AssetRecord.model_validate_json(self._fs.cat_file(key))
            if sizes.get(record.asset.id) != record.asset.size_bytes:
                yield Fault(record.asset.id, "the identity bytes are missing or cut")
            if sizes.get(f"{record.asset.id}.gz") != record.gzip_bytes is not None:
                yield Fault(record.asset.id, "the gzip bytes are missing or cut")

    def _blob(self, asset_id: str, encoding: Encoding = "identity") -> str:
        name = asset_id if encoding == "identity" else f"{asset_id}.gz"
        return f"{self._root}/blobs/{asset_id[:2]}/{asset_id[2:4]}/{name}"

    def _record_key(self, asset_id: str, owner: str) -> str:
        return f"{self._root}/records/{asset_id}/{owner_key(owner)}.json"

    def _record(self, asset_id: str, owner: str) -> AssetRecord | None:
        try:
            return AssetRecord.model_validate_json(
                self._fs.cat_file(self._record_key(asset_id, owner))
            )
        except FileNotFoundError:
            return None

    def _size(self, key: str) -> int | None:
        try:
            return int(self._fs.info(key)["size"])
        except FileNotFoundError:
            return None

    def _upload(self, content: bytes | Path, key: str, size: int) -> None:
        if self._size(key) == size:
            return
        if isinstance(content, Path):
            self._fs.put_file(str(content), key)
        else:
            self._fs.pipe_file(key, content)
        if self._size(key) != size:
            raise UpstreamUnavailable(
                "the object store kept fewer bytes than were sent; try again", RETRY_AFTER_S
            )

    def _upload_gzip(self, content: bytes | Path, asset: Asset) -> int | None:
        if not is_compressible(asset.media_type, asset.size_bytes):
            return None
        with tempfile.NamedTemporaryFile() as file:
            compress(chunks_of(content), file.file)
            file.flush()
            size = file.tell()
            if size >= asset.size_bytes:
                return None
            self._upload(Path(file.name), self._blob(asset.id, "gzip"), size)
        return size

    def _read_slice(self, key: str, start: int, end: int) -> Iterator[bytes]:
        for first in range(start, end, REQUEST_BYTES):
            last = min(first + REQUEST_BYTES, end)
            with _reachable():
                data: bytes = self._fs.cat_file(key, start=first, end=last)
            if len(data) != last - first:
                raise UpstreamUnavailable(
                    "the object store gave fewer bytes than it holds; try again", RETRY_AFTER_S
                )
            yield from chunks_of(data)

    def _hash(self, asset_id: str, name: str, size: int) -> str:
        digest = hashlib.sha256()
        encoding: Encoding = "gzip" if name.endswith(".gz") else "identity"
        chunks = self._read_slice(self._blob(asset_id, encoding), 0, size)
        try:
            for chunk in _inflated(chunks) if encoding == "gzip" else chunks:
                digest.update(chunk)
        except (OSError, EOFError, zlib.error):
            return "unreadable"
        return digest.hexdigest()


def _open(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    protocol = url.partition("://")[0]
    if protocol in ("file", "local", url):
        raise InvalidInput(
            f"{url!r} is no object store; a folder needs open_store or a local store"
        )
    try:
        file_system, root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        advice = f"install orrery[{extra}]" if extra else str(error)
        raise InvalidInput(
            f"{protocol}:// needs a driver that is not installed: {advice}"
        ) from error
    except ValueError as error:
        raise InvalidInput(f"cannot open {url!r}: {error}; expected s3:// or gs://") from error
    return file_system, root.rstrip("/")


@contextmanager
def _reachable() -> Iterator[None]:
    """Name what a driver raises; its types belong to packages that may not be installed."""
    try:
        yield
    except CapabilityError:
        raise
    except FileNotFoundError as error:
        raise UpstreamUnavailable(
            "an object or its bucket is missing from the object store; verify tells which"
        ) from error
    except Exception as error:
        logger.warning("the object store failed", extra={"error": type(error).__name__})
        raise UpstreamUnavailable(
            f"the object store failed ({type(error).__name__}); check its address, its bucket "
            "and the credentials",
            RETRY_AFTER_S,
        ) from error


class _Stream(io.RawIOBase):
    """Chunks as a file, which is what gzip reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # a writable buffer has no type yet
        self._rest = self._rest or next(self._chunks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=_Stream(chunks)) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
