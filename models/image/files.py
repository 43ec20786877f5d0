"""Display-referred pictures as files."""

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from models.core.errors import InvalidInput
from models.image.schema import Format

_KINDS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "png": ("image/png", ".png", {"compress_level": 6}),
    "jpeg": ("image/jpeg", ".jpg", {"quality": 93, "subsampling": 0}),
    "avif": ("image/avif", ".avif", {"quality": 80, "speed": 8}),
}
PREVIEW_QUALITY = 75


def check_format(file_format: Format) -> None:
    """Refuse formats that need more light than a finished picture holds.

    Raises:
        InvalidInput: The format is one of those.
    """
    if file_format not in _KINDS:
        known = ", ".join(_KINDS)
        raise InvalidInput(f"this model gives 8-bit pictures: ask for {known}, not {file_format}")


def picture_file(picture: Image.Image, file_format: Format) -> tuple[bytes, str, str]:
    """Bytes, media type and file name extension of an 8-bit picture."""
    media_type, extension, options = _KINDS[file_format]
    buffer = io.BytesIO()
    picture.save(buffer, file_format.upper(), **options)
    return buffer.getvalue(), media_type, extension


def preview_file(picture: Image.Image) -> tuple[bytes, str]:
    """Bytes and media type of a small unfinished picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=PREVIEW_QUALITY)
    return buffer.getvalue(), "image/jpeg"
