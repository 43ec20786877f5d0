"""Content-addressed artifacts: what they are, and what a store of them promises."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import Field, computed_field

from models.core.capability import Value

ASSET_ROUTE = "/assets/"


class Provenance(Value):
    """How an artifact came to be, without the words of its prompt."""

    capability: str
    backend: str
    model_sha256: str | None = None
    seed: int | None = None
    prompt_sha256: str | None = None
    inputs: tuple[str, ...] = Field((), description="ids of the assets it was made from")


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


class ArtifactStore(Protocol):
    """Bytes under their SHA-256; a record per owner says what they are.

    The same bytes are kept once. Knowing a hash grants nothing: what an owner has no record of
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

    def read(
        self, asset_id: str, owner: str, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes of a slice in chunks.

        Raises:
            UnknownAsset: The owner has no such asset; raised before the first chunk.
        """
        ...

    def delete(self, asset_id: str, owner: str) -> None:
        """Drop the owner's record, and the bytes once nobody has one."""
        ...
