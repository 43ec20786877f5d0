"""Outputs in the store: small ones in the row, large ones as artifacts; and results remembered."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from pydantic import JsonValue

from models.core.artifacts import ASSET_ROUTE, ArtifactStore, Provenance
from models.core.errors import UnknownAsset

MAX_INLINE_BYTES: Final = 64 * 1024
REFERENCE: Final = "$artifact"
MEDIA_TYPE: Final = "application/json"


def canonical(value: JsonValue) -> bytes:
    """The same bytes for the same value: sorted names, no spaces."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: JsonValue) -> str:
    """SHA-256 of the canonical bytes, hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


class Outputs:
    """Moves large outputs out of the store of runs and back."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def pack(self, output: JsonValue, owner: str) -> JsonValue:
        """The output, or a reference to where it is kept."""
        content = canonical(output)
        if len(content) <= MAX_INLINE_BYTES:
            return output
        asset_id = self.keep(content, owner)
        return {REFERENCE: asset_id, "url": ASSET_ROUTE + asset_id, "size_bytes": len(content)}

    def unpack(self, packed: JsonValue, owner: str) -> JsonValue:
        """The output itself.

        Raises:
            UnknownAsset: It was deleted.
        """
        asset_id = reference_in(packed)
        return packed if asset_id is None else self.load(asset_id, owner)

    def keep(self, content: bytes, owner: str) -> str:
        """Id of the artifact that now holds the bytes."""
        asset = self._store.put(
            content,
            owner=owner,
            media_type=MEDIA_TYPE,
            filename="outputs.json",
            provenance=Provenance(capability="workflow", backend="orchestrator"),
        )
        return asset.id

    def load(self, asset_id: str, owner: str) -> JsonValue:
        """The value in an artifact."""
        value: JsonValue = json.loads(b"".join(self._store.read(asset_id, owner)))
        return value

    def are_whole(self, output: JsonValue, owner: str) -> bool:
        """Whether every asset that an output speaks of still exists."""
        try:
            for asset_id in assets_in(output):
                self._store.stat(asset_id, owner)
        except UnknownAsset:
            return False
        return True


def reference_in(packed: JsonValue) -> str | None:
    """Id of the artifact that holds the output."""
    if isinstance(packed, dict) and set(packed) == {REFERENCE, "url", "size_bytes"}:
        return str(packed[REFERENCE])
    return None


def assets_in(output: JsonValue) -> Iterator[str]:
    """Ids of the assets within an output; an asset has a media type beside its id."""
    if isinstance(output, dict):
        if "media_type" in output and isinstance(output.get("id"), str):
            yield str(output["id"])
        for value in output.values():
            yield from assets_in(value)
    elif isinstance(output, list):
        for value in output:
            yield from assets_in(value)


class Memo(Protocol):
    """Remembers where results are kept."""

    async def recall(self, key: str) -> str | None:
        """Id of the artifact kept under a key."""
        ...

    async def remember(self, key: str, asset_id: str) -> None:
        """Keep the id of an artifact under a key."""
        ...


def memo_key(owner: str, uses: str, fingerprint: str, arguments: Mapping[str, JsonValue]) -> str:
    """Key of a result: whose it is, what made it, and from what."""
    return digest([owner, uses, fingerprint, dict(arguments)])
