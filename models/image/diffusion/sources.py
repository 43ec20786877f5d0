"""Pictures that callers give: an asset of theirs or the file itself, decoded within limits."""

import base64
import binascii
import io

from PIL import Image, ImageOps

from models.core.artifacts import ArtifactStore
from models.core.errors import InvalidInput
from models.image.schema import MAX_BASE64_CHARACTERS, SourceImage

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
MAX_PIXELS = 40_000_000
"""Larger files are refused before they are decoded."""


def open_source(source: SourceImage, store: ArtifactStore, owner: str, mode: str) -> Image.Image:
    """The picture, upright, as `RGB` or `L`.

    Raises:
        UnknownAsset: The owner has no such asset.
        InvalidInput: It is no picture, or too large a one.
    """
    content = _content(source, store, owner)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InvalidInput(f"a given picture may have {MAX_PIXELS:,} pixels at most")
            return ImageOps.exif_transpose(image).convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        kinds = ", ".join(FORMATS)
        raise InvalidInput(f"a given picture cannot be read; {kinds} can") from error


def _content(source: SourceImage, store: ArtifactStore, owner: str) -> bytes:
    if source.asset_id is not None:
        record = store.stat(source.asset_id, owner)
        if record.asset.size_bytes > MAX_BASE64_CHARACTERS:
            raise InvalidInput("the asset is too large for a picture to start from")
        return b"".join(store.read(source.asset_id, owner))
    try:
        return base64.b64decode(source.base64 or "", validate=True)
    except binascii.Error as error:
        raise InvalidInput("a picture in base64 is not valid base64") from error
