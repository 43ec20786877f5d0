"""Finished 8-bit pictures as files that carry their provenance."""

import io
from dataclasses import dataclass

from PIL import Image, PngImagePlugin

from models.core.artifacts import Provenance
from models.core.errors import InvalidInput
from models.core.xmp import packet
from models.image.schema import Format

JPEG_QUALITY = 93
AVIF_QUALITY = 80
PNG_XMP_KEYWORD = "XML:com.adobe.xmp"


@dataclass(frozen=True)
class PictureFile:
    """A file in memory.

    Attributes:
        content: Its bytes.
        media_type: What they are.
        extension: Of its name, with the dot.
    """

    content: bytes
    media_type: str
    extension: str


def encode_picture(image: Image.Image, file_format: Format, provenance: Provenance) -> PictureFile:
    """A finished picture as a file.

    Args:
        image: 8-bit sRGB.
        file_format: PNG, JPEG or AVIF.
        provenance: Written into the file.

    Raises:
        InvalidInput: The format needs light beyond white, which this picture does not have.
    """
    xmp = packet(provenance)
    if file_format == "png":
        return PictureFile(png(image, xmp), "image/png", ".png")
    if file_format == "jpeg":
        return PictureFile(jpeg(image, xmp), "image/jpeg", ".jpg")
    if file_format == "avif":
        return PictureFile(avif(image, xmp), "image/avif", ".avif")
    raise InvalidInput(
        f"format {file_format!r} is for scenes: only they have light beyond white and layers; "
        "choose png, jpeg or avif"
    )


def png(image: Image.Image, xmp: bytes | None = None) -> bytes:
    """The picture as PNG."""
    chunks = PngImagePlugin.PngInfo()
    if xmp is not None:
        chunks.add_itxt(PNG_XMP_KEYWORD, xmp.decode())
    return _saved(image, "PNG", compress_level=6, pnginfo=chunks)


def jpeg(image: Image.Image, xmp: bytes | None = None) -> bytes:
    """The picture as JPEG, without losing resolution in colour."""
    return _saved(image, "JPEG", quality=JPEG_QUALITY, subsampling=0, **_with(xmp))


def avif(image: Image.Image, xmp: bytes | None = None) -> bytes:
    """The picture as 8-bit AVIF."""
    return _saved(image, "AVIF", quality=AVIF_QUALITY, speed=8, **_with(xmp))


def _with(xmp: bytes | None) -> dict[str, bytes]:
    return {} if xmp is None else {"xmp": xmp}


def _saved(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()
