"""Artifacts in a folder, durable and shared by any number of threads and processes."""

import errno
import fcntl
import gzip
import hashlib
import logging
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.core.artifacts import (
    CHUNK_BYTES,
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
from models.core.durable import (
    full_disk_is_named,
    make_folder,
    move_into_place,
    sync_file,
    sync_folder,
    temporary_file,
    write_atomically,
)
from models.core.errors import StorageFull

GIB = 1024**3
LEFT_OVER_S = 3600.0
FULL = "the disk is full; delete assets or enlarge the disk"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Layout:
    """Where everything lies below the root."""

    root: Path

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def blob(self, asset_id: str, encoding: Encoding = "identity") -> Path:
        name = asset_id if encoding == "identity" else f"{asset_id}.gz"
        return self.root / "blobs" / asset_id[:2] / asset_id[2:4] / name

    def record(self, asset_id: str, owner: str) -> Path:
        return self.root / "owners" / owner_key(owner) / asset_id[:2] / f"{asset_id}.json"

    def owned(self, owner: str) -> Iterator[Path]:
        return (self.root / "owners" / owner_key(owner)).glob("??/*.json")

    def records(self, asset_id: str) -> Iterator[Path]:
        return (self.root / "owners").glob(f"*/{asset_id[:2]}/{asset_id}.json")

    def blobs(self) -> Iterator[Path]:
        return (self.root / "blobs").glob("??/??/*")

    def lock(self, asset_id: str) -> Path:
        return self.root / "locks" / asset_id[:2]


class LocalArtifactStore:
    """An `ArtifactStore` in a folder of a local or POSIX network file system.

    Args:
        root: The folder; made if it is absent, readable by this user alone.
        min_free_bytes: What a `put` leaves free on the device.

    Bytes lie at `blobs/ab/cd/<sha256>`, a gzip form beside them as `<sha256>.gz`, and records at
    `owners/<hash of the owner>/ab/<sha256>.json`. A record is written last, so whatever has a
    record is whole. A file lock per first byte of the id orders `put` and `delete`.
    """

    def __init__(self, root: Path, *, min_free_bytes: int = GIB) -> None:
        self._layout = _Layout(root.absolute())
        self._min_free_bytes = min_free_bytes
        for name in ("blobs", "owners", "locks", "tmp"):
            make_folder(self._layout.root / name)
        self._remove_left_overs()

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
            StorageFull: Free space would fall below the watermark.
        """
        self._check_space(size_of(content))
        with full_disk_is_named(FULL), temporary_file(self._layout.temporary) as (file, path):
            digest, size = hashlib.sha256(), 0
            for chunk in chunks_of(content):
                digest.update(chunk)
                size += file.write(chunk)
            sync_file(file)
            asset = Asset(
                id=digest.hexdigest(),
                media_type=media_type,
                size_bytes=size,
                filename=filename,
                created_at=datetime.now(UTC),
            )
            record = AssetRecord(asset=asset, owner=owner, provenance=provenance)
            return self._publish(path, record)

    def stat(self, asset_id: str, owner: str) -> AssetRecord:
        """The owner's record.

        Raises:
            UnknownAsset: There is none, or the id is no SHA-256.
        """
        path = self._layout.record(checked_id(asset_id), owner)
        try:
            return AssetRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise unknown(asset_id) from error

    def owned(self, owner: str, media_type: str) -> Iterator[AssetRecord]:
        """The owner's records of one type, in no order; reads every record of the owner's."""
        for path in self._layout.owned(owner):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # deleted meanwhile
            if media_type.encode() in content:  # far cheaper than to parse them all
                record = AssetRecord.model_validate_json(content)
                if record.asset.media_type == media_type:
                    yield record

    def locate(self, asset_id: str, owner: str, encoding: Encoding = "identity") -> Path:
        """The file of the bytes, for a server that hands it to the kernel. Never write to it.

        Raises:
            UnknownAsset: The owner has no such asset.
            InvalidInput: There is no gzip form.
        """
        self.stat(asset_id, owner).size_bytes(encoding)
        return self._layout.blob(asset_id, encoding)

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
        """
        first, end = slice_of(self.stat(asset_id, owner), encoding, start, length)
        path = self._layout.blob(asset_id, encoding)
        if not path.is_file():
            logger.error("bytes of an asset are missing", extra={"asset": asset_id})
            raise unknown(asset_id)
        return _read_slice(path, first, end)

    def delete(self, asset_id: str, owner: str) -> None:
        """Drop the owner's record, and the bytes once nobody has one.

        Raises:
            UnknownAsset: The owner has no such asset.
        """
        record = self._layout.record(checked_id(asset_id), owner)
        with self._locked(asset_id):
            try:
                record.unlink()
            except FileNotFoundError as error:
                raise unknown(asset_id) from error
            if next(self._layout.records(asset_id), None) is None:
                self._layout.blob(asset_id, "gzip").unlink(missing_ok=True)
                self._layout.blob(asset_id).unlink(missing_ok=True)

    def verify(self) -> Iterator[Fault]:
        """Hash everything again and yield what is corrupt or missing."""
        for path in self._layout.blobs():
            asset_id = path.name.removesuffix(".gz")
            if problem := _problem_of(path, asset_id):
                yield Fault(asset_id, problem)
        for path in (self._layout.root / "owners").glob("*/??/*.json"):
            try:
                record = AssetRecord.model_validate_json(path.read_bytes())
            except FileNotFoundError:
                continue  # deleted meanwhile
            except ValueError:
                yield Fault(path.stem, "a record cannot be read")
                continue
            yield from self._faults_of(record)

    def remove_orphans(self, older_than_s: float = LEFT_OVER_S) -> int:
        """Drop bytes without any record, which a process killed between the two leaves behind."""
        removed = 0
        for path in self._layout.blobs():
            asset_id = path.name.removesuffix(".gz")
            with self._locked(asset_id):
                if _age_s(path) > older_than_s and not any(self._layout.records(asset_id)):
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _publish(self, path: Path, record: AssetRecord) -> Asset:
        asset, gzip_bytes = record.asset, None
        with self._locked(asset.id):
            target = self._layout.record(asset.id, record.owner)
            self._place_blob(path, asset)
            if target.exists():
                first = self.stat(asset.id, record.owner)
                if not first.is_passing or record.is_passing:
                    sync_folder(target.parent)
                    return first.asset
            if is_compressible(asset.media_type, asset.size_bytes):
                gzip_bytes = self._place_gzip(asset)
            record = record.model_copy(update={"gzip_bytes": gzip_bytes})
            write_atomically(target, record.to_json(), self._layout.temporary)
        return asset

    def _place_blob(self, path: Path, asset: Asset) -> None:
        blob = self._layout.blob(asset.id)
        if blob.exists():
            if blob.stat().st_size == asset.size_bytes:
                sync_folder(blob.parent)  # whoever renamed it may have died before doing so
                return
            logger.error("damaged bytes were replaced", extra={"asset": asset.id})
        move_into_place(path, blob)

    def _place_gzip(self, asset: Asset) -> int | None:
        """Size of the gzip form, made if there is none; `None` where it would not be smaller."""
        sibling = self._layout.blob(asset.id, "gzip")
        if not sibling.exists():
            with temporary_file(self._layout.temporary) as (file, path):
                compress(chunks_of(self._layout.blob(asset.id)), file)
                sync_file(file)
                if file.tell() >= asset.size_bytes:
                    return None
                move_into_place(path, sibling)
        return sibling.stat().st_size

    @contextmanager
    def _locked(self, asset_id: str) -> Iterator[None]:
        with self._layout.lock(asset_id).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # held by this open file: orders threads too
            yield

    def _check_space(self, size_bytes: int) -> None:
        free = shutil.disk_usage(self._layout.root).free
        if free - size_bytes < self._min_free_bytes:
            raise StorageFull(
                f"keeping {size_bytes:,} bytes would leave less than {self._min_free_bytes:,} of "
                f"{free:,} free bytes; delete assets, enlarge the disk or lower the watermark"
            )

    def _remove_left_overs(self) -> None:
        for path in self._layout.temporary.iterdir():
            if _age_s(path) > LEFT_OVER_S:
                path.unlink(missing_ok=True)

    def _faults_of(self, record: AssetRecord) -> Iterator[Fault]:
        sizes: dict[Encoding, int | None] = {
            "identity": record.asset.size_bytes,
            "gzip": record.gzip_bytes,
        }
        for encoding, size in sizes.items():
            path = self._layout.blob(record.asset.id, encoding)
            if size is not None and not (path.is_file() and path.stat().st_size == size):
                yield Fault(record.asset.id, f"the {encoding} bytes are missing or cut")


def _read_slice(path: Path, start: int, end: int) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:  # deleted since it was looked up
        raise unknown(path.name.removesuffix(".gz")) from error
    with file:
        file.seek(start)
        while start < end:
            chunk = file.read(min(CHUNK_BYTES, end - start))
            if not chunk:
                raise OSError(errno.EIO, "the stored bytes end too early", str(path))
            start += len(chunk)
            yield chunk


def _problem_of(path: Path, asset_id: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return None  # deleted meanwhile
    except (OSError, EOFError, zlib.error) as error:
        return f"{path.name} cannot be read: {error}"
    return None if digest.hexdigest() == asset_id else f"{path.name} does not match its SHA-256"


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
