"""Content-addressed artifacts: what they are, and what a store of them promises."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from pydantic import Field, computed_field

from models.core.errors import InvalidInput, UnknownAsset
from models.core.value import Value

ASSET_ROUTE = "/assets/"
CHUNK_BYTES = 256 * 1024

Encoding: TypeAlias = Literal["identity", "gzip"]
"""How the bytes of an asset are coded on their way out."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Provenance(Value):
    """How an artifact came to be, without the words of its prompt."""

    capability: str
    backend: str
    model: str | None = None
    model_sha256: str | None = None
    seed: int | None = None
    prompt_sha256: str | None = None
    inputs: tuple[str, ...] = Field((), description="ids of the assets it was made from")


PREVIEW = Provenance(capability="workflow", backend="preview")
"""Of what a result looks like so far: kept no longer than the run that shows it."""


class Asset(Value):
    """A stored artifact as its owner sees it."""

    id: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bytes")
    media_type: str
    size_bytes: int
    filename: str
    created_at: datetime

    @computed_field  # type: ignore[prop-decorator]  # mypy has no notion of a computed property
    @property
    def url(self) -> str:
        """Path of the bytes behind the ingress."""
        return f"{ASSET_ROUTE}{self.id}"


class AssetRecord(Value):
    """An asset with its origin, as kept beside the bytes for one owner."""

    asset: Asset
    owner: str
    provenance: Provenance
    gzip_bytes: int | None = Field(None, description="size of the gzip form, where one is kept")

    @property
    def is_passing(self) -> bool:
        """Whether it is a preview, and no result has the same bytes."""
        return self.provenance == PREVIEW

    def to_json(self) -> bytes:
        """What `model_validate_json` reads back: computed fields are left out."""
        return self.model_dump_json(round_trip=True).encode()

    def size_bytes(self, encoding: Encoding) -> int:
        """Size of one form of the bytes.

        Raises:
            InvalidInput: There is no gzip form.
        """
        if encoding == "identity":
            return self.asset.size_bytes
        if self.gzip_bytes is None:
            raise InvalidInput(f"asset {self.asset.id} has no gzip form; read it as identity")
        return self.gzip_bytes


@dataclass(frozen=True)
class Fault:
    """Something that `verify` found wrong with the bytes of an asset."""

    asset_id: str
    problem: str


class ArtifactStore(Protocol):
    """Bytes under their SHA-256; a record per owner says what they are.

    The same bytes are kept once, and keep their first record unless that is of a preview. Knowing a hash grants nothing: what an owner has no record of
    is unknown to them.
    """

    def put(
        self,
        content: bytes | Path,
        *,
        owner: str,
        media_type: str,
        filename: str,
        provenance: Provenance,
    ) -> Asset:
        """Keep the bytes durably: after the return they survive a crash.

        Raises:
            StorageFull: Free space would fall below the watermark.
        """
        ...

    def stat(self, asset_id: str, owner: str) -> AssetRecord:
        """The owner's record.

        Raises:
            UnknownAsset: There is none, or the id is no SHA-256.
        """
        ...

    def owned(self, owner: str, media_type: str) -> Iterator[AssetRecord]:
        """The owner's records of one type, in no order; reads every record of the owner's."""
        ...

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
        ...

    def delete(self, asset_id: str, owner: str) -> None:
        """Drop the owner's record, and the bytes once nobody has one."""
        ...

    def verify(self) -> Iterator[Fault]:
        """Hash everything again and yield what is corrupt or missing."""
        ...


def checked_id(asset_id: str) -> str:
    """The id itself, if it is one: only then may it become part of a path.

    Raises:
        UnknownAsset: It is no lower-case SHA-256.
    """
    if _SHA256.fullmatch(asset_id) is None:
        raise UnknownAsset("no such asset: an id is a SHA-256 in 64 lower-case hexadecimal digits")
    return asset_id


def unknown(asset_id: str) -> UnknownAsset:
    """The same answer for what does not exist and for what belongs to somebody else."""
    return UnknownAsset(f"no such asset: {asset_id}; it may have been deleted")


def owner_key(owner: str) -> str:
    """A name for files: owners are free text, and free text can be a path."""
    return hashlib.sha256(owner.encode()).hexdigest()


def slice_of(
    record: AssetRecord, encoding: Encoding, start: int, length: int | None
) -> tuple[int, int]:
    """First byte and end of what a read gives.

    Raises:
        InvalidInput: There is no gzip form, or the slice begins or ends before byte 0.
    """
    size = record.size_bytes(encoding)
    if start < 0 or (length is not None and length < 0):
        raise InvalidInput(f"a slice starts at 0 or later, got start={start}, length={length}")
    end = size if length is None else min(size, start + length)
    return min(start, size), max(end, min(start, size))


def chunks_of(content: bytes | Path) -> Iterator[bytes]:
    """The bytes, or those of the file, in chunks."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    else:
        view = memoryview(content)
        for start in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[start : start + CHUNK_BYTES])


def size_of(content: bytes | Path) -> int:
    """How many bytes there are."""
    return content.stat().st_size if isinstance(content, Path) else len(content)
