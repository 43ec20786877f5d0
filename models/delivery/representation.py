"""What delivery has to know of an asset, and its validators."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from models.core.artifacts import AssetRecord, Encoding


@dataclass(frozen=True)
class Representation:
    """An asset as HTTP sees it: the same bytes for ever, in one or two codings.

    Attributes:
        id: SHA-256 of the bytes, from which the entity tags are made.
        gzip_bytes: Size of the gzip form; `None` where none is kept.
        last_modified: With its time zone.
    """

    id: str
    media_type: str
    size_bytes: int
    gzip_bytes: int | None
    last_modified: datetime
    filename: str

    @classmethod
    def of(cls, record: AssetRecord) -> Self:
        """The representation of a stored asset."""
        asset = record.asset
        return cls(
            id=asset.id,
            media_type=asset.media_type,
            size_bytes=asset.size_bytes,
            gzip_bytes=record.gzip_bytes,
            last_modified=asset.created_at,
            filename=asset.filename,
        )

    def etag(self, encoding: Encoding) -> str:
        """A strong entity tag: other bytes have another."""
        return f'"{self.id}"' if encoding == "identity" else f'"{self.id}-gzip"'

    def size(self, encoding: Encoding) -> int:
        """How many bytes one coding has."""
        if encoding == "gzip" and self.gzip_bytes is not None:
            return self.gzip_bytes
        return self.size_bytes
