"""Pictures as files: display-referred (PNG, JPEG, AVIF), both (Ultra HDR) or scene-linear (EXR)."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from models.image.render.colors import Pixels
from models.image.render.grade import displayed, exposed
from models.image.render.rendering import Rendering
from models.image.schema import Format
from models.image.styles import Style

JPEG_QUALITY = 93
AVIF_QUALITY = 80
HDR_PEAK = 8.0
"""Brightest light in an Ultra HDR file, white paper being about 1."""


@dataclass(frozen=True)
class _Codec:
    media_type: str
    extension: str
    write: Callable[[Rendering, Style], bytes]


def encode(rendering: Rendering, style: Style, file_format: Format) -> tuple[bytes, str, str]:
    """Bytes, media type and file name extension of a rendering in a style."""
    codec = _CODECS[file_format]
    return codec.write(rendering, style), codec.media_type, codec.extension


def picture(rendering: Rendering, style: Style) -> Image.Image:
    """The finished picture in 8-bit sRGB."""
    values = displayed(rendering.color, style.grade, rendering.level)
    return Image.fromarray((values * 255 + 0.5).astype(np.uint8))


def _png(rendering: Rendering, style: Style) -> bytes:
    return _saved(picture(rendering, style), "PNG", compress_level=6)


def _jpeg(rendering: Rendering, style: Style) -> bytes:
    return _saved(picture(rendering, style), "JPEG", quality=JPEG_QUALITY, subsampling=0)


def _avif(rendering: Rendering, style: Style) -> bytes:
    return _saved(picture(rendering, style), "AVIF", quality=AVIF_QUALITY, speed=8)


def _saved(image: Image.Image, name: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _ultrahdr(rendering: Rendering, style: Style) -> bytes:
    light = np.clip(exposed(rendering.color, style.grade, rendering.level), 0, HDR_PEAK)
    opaque = np.concatenate([light, np.ones((*light.shape[:2], 1), np.float32)], -1)
    return bytes(imagecodecs.ultrahdr_encode(np.ascontiguousarray(opaque, np.float16)))


def _exr(rendering: Rendering, _style: Style) -> bytes:
    """Ungraded light, with the layers that compositing asks for."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {
        "RGB": _half(rendering.color),
        "albedo": _half(rendering.albedo),
        "normal": _half(rendering.normal),
        "depth.Z": np.ascontiguousarray(rendering.depth, np.float32),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.exr"
        OpenEXR.File(header, channels).write(str(path))
        return path.read_bytes()


def _half(plane: Pixels) -> NDArray[np.float16]:
    return np.ascontiguousarray(np.clip(plane, -65504, 65504), np.float16)


_CODECS: dict[Format, _Codec] = {
    "png": _Codec("image/png", ".png", _png),
    "jpeg": _Codec("image/jpeg", ".jpg", _jpeg),
    "ultrahdr": _Codec("image/jpeg", ".jpg", _ultrahdr),
    "avif": _Codec("image/avif", ".avif", _avif),
    "exr": _Codec("image/x-exr", ".exr", _exr),
}
