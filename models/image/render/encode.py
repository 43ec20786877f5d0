"""Pictures as files: display-referred (PNG, JPEG, AVIF), both (Ultra HDR) or scene-linear (EXR)."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imagecodecs
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from models.core.xmp import iso_box
from models.image.picture_files import AVIF_QUALITY, avif, jpeg, png
from models.image.render.colors import Pixels
from models.image.render.grade import displayed, exposed
from models.image.render.rendering import Rendering
from models.image.schema import Format
from models.image.styles import Style

HDR_PEAK = 8.0
"""Brightest light in a file with light beyond white, white paper being about 1."""
WHITE_NITS = 203.0
"""Diffuse white of HDR pictures (ITU-R BT.2408)."""
TO_2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]], np.float32
)
"""BT.709 primaries to BT.2020 (ITU-R BT.2087)."""
APP1 = b"\xff\xe1"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"


@dataclass(frozen=True)
class _Codec:
    media_type: str
    extension: str
    write: Callable[[Rendering, Style, bytes | None], bytes]


def encode(
    rendering: Rendering, style: Style, file_format: Format, xmp: bytes | None = None
) -> tuple[bytes, str, str]:
    """Bytes, media type and file name extension of a rendering in a style.

    Args:
        rendering: Scene-linear.
        style: Grades it.
        file_format: What to write.
        xmp: Packet of provenance that the file carries.
    """
    codec = _CODECS[file_format]
    return codec.write(rendering, style, xmp), codec.media_type, codec.extension


def picture(rendering: Rendering, style: Style) -> Image.Image:
    """The finished picture in 8-bit sRGB."""
    values = displayed(rendering.color, style.grade, rendering.level)
    return Image.fromarray((values * 255 + 0.5).astype(np.uint8))


def _png(rendering: Rendering, style: Style, xmp: bytes | None) -> bytes:
    return png(picture(rendering, style), xmp)


def _jpeg(rendering: Rendering, style: Style, xmp: bytes | None) -> bytes:
    return jpeg(picture(rendering, style), xmp)


def _avif(rendering: Rendering, style: Style, xmp: bytes | None) -> bytes:
    return avif(picture(rendering, style), xmp)


def _light(rendering: Rendering, style: Style) -> Pixels:
    """Graded light up to the peak of a display, `(H, W, 3)`."""
    return np.clip(exposed(rendering.color, style.grade, rendering.level), 0, HDR_PEAK)


def _ultrahdr(rendering: Rendering, style: Style, xmp: bytes | None) -> bytes:
    light = _light(rendering, style)
    opaque = np.concatenate([light, np.ones((*light.shape[:2], 1), np.float32)], -1)
    content = bytes(imagecodecs.ultrahdr_encode(np.ascontiguousarray(opaque, np.float16)))
    return content if xmp is None else _with_app1(content, JPEG_XMP + xmp)


def _with_app1(content: bytes, payload: bytes) -> bytes:
    """The JPEG with a further segment at its start.

    Where a second picture lies is counted from a segment that moves as well, but the size of the
    first one is stated there and grows.
    """
    segment = APP1 + (2 + len(payload)).to_bytes(2, "big") + payload
    grown = content[:2] + segment + content[2:]
    index = grown.find(b"MPF\x00")
    if index < 0:
        return grown
    start = index + 4
    order: Literal["little", "big"] = "little" if grown[start : start + 2] == b"II" else "big"
    entries = grown.find((0xB002).to_bytes(2, order), start)
    size_at = start + int.from_bytes(grown[entries + 8 : entries + 12], order) + 4
    size = int.from_bytes(grown[size_at : size_at + 4], order) + len(segment)
    return grown[:size_at] + size.to_bytes(4, order) + grown[size_at + 4 :]


def _avif_hdr(rendering: Rendering, style: Style, xmp: bytes | None) -> bytes:
    """Ten bits, BT.2020, perceptual quantiser: what HDR displays take as it is."""
    wide = np.maximum(_light(rendering, style) @ TO_2020.T, 0)
    codes = (pq(wide * WHITE_NITS) * 1023 + 0.5).astype(np.uint16)
    content = imagecodecs.avif_encode(
        np.ascontiguousarray(codes),
        level=AVIF_QUALITY,
        speed=8,
        bitspersample=10,
        pixelformat="444",
        primaries=imagecodecs.AVIF.COLOR_PRIMARIES.BT2020,
        transfer=imagecodecs.AVIF.TRANSFER_CHARACTERISTICS.PQ,
        matrix=imagecodecs.AVIF.MATRIX_COEFFICIENTS.BT2020_NCL,
    )
    return bytes(content) + (b"" if xmp is None else iso_box(xmp))


def pq(nits: Pixels) -> Pixels:
    """Code values 0-1 of light in cd/m² (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.power(np.clip(nits / 10_000, 0, 1), m1)
    return np.power((c1 + c2 * power) / (1 + c3 * power), m2)


def _exr(rendering: Rendering, _style: Style, xmp: bytes | None) -> bytes:
    """Ungraded light, with the layers that compositing asks for."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if xmp is not None:
        header["xmp"] = xmp.decode()
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
    "avif-hdr": _Codec("image/avif", ".avif", _avif_hdr),
    "exr": _Codec("image/x-exr", ".exr", _exr),
}
