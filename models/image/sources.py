"""Pictures that requests bring: assets of the caller's, or files within the request."""

import base64
import binascii
import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from models.core.artifacts import ArtifactStore
from models.core.errors import InvalidInput
from models.image.schema import SourceImage

MAX_PIXELS = 64_000_000
MAX_BYTES = 64 * 2**20
NO_PICTURE = f"not a picture of at most {MAX_PIXELS} pixels as PNG, JPEG, WebP or AVIF"
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")


def read_bytes(source: SourceImage, owner: str, store: ArtifactStore) -> bytes:
    """The file of a source.

    Raises:
        InvalidInput: It is no base64, or too large.
        UnknownAsset: The caller has no such asset.
    """
    if source.asset_id is None:
        try:
            return base64.b64decode(source.base64 or "", validate=True)
        except binascii.Error as error:
            raise InvalidInput("the picture is not valid base64") from error
    if store.stat(source.asset_id, owner).asset.size_bytes > MAX_BYTES:
        raise InvalidInput(f"a picture to start from may have at most {MAX_BYTES} bytes")
    return b"".join(store.read(source.asset_id, owner))


def read_source(source: SourceImage, owner: str, store: ArtifactStore) -> Image.Image:
    """The picture of a source, upright, in 8-bit RGB.

    Raises:
        InvalidInput: It is none, or has too many pixels.
        UnknownAsset: The caller has no such asset.
    """
    image = open_picture(read_bytes(source, owner, store), MAX_PIXELS)
    if image is None:
        raise InvalidInput(NO_PICTURE)
    return image


def read_mask(source: SourceImage, owner: str, store: ArtifactStore) -> Image.Image:
    """What to paint anew, white, 8-bit grey: the light part, or the transparent one if there is.

    Raises:
        InvalidInput: It is no picture, or has too many pixels.
        UnknownAsset: The caller has no such asset.
    """
    content = read_bytes(source, owner, store)
    mask = open_picture(content, MAX_PIXELS, "RGBA")
    if mask is None:
        raise InvalidInput(NO_PICTURE)
    opaque = mask.getchannel("A")
    return mask.convert("L") if opaque.getextrema()[0] == 255 else ImageOps.invert(opaque)


def open_picture(content: bytes, max_pixels: int, mode: str = "RGB") -> Image.Image | None:
    """A picture, upright, in 8 bits; `None` if it is none or too large.

    The size is checked before any pixel is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > max_pixels:
                    return None
                return ImageOps.exif_transpose(image).convert(mode)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
