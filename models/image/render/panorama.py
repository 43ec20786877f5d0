"""Panoramas of light that callers bring: Radiance `.hdr` and OpenEXR, equirectangular."""

import re
import tempfile
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
import OpenEXR

from models.core.errors import InvalidInput
from models.image.render.colors import Pixels
from models.image.render.lights import metered_panorama

MAX_SIDE_PX: Final = 16_384
MAX_PIXELS: Final = 16_384 * 8_192 // 4
WIDTH_PX: Final = 2048
"""Larger ones are averaged down: lighting needs no more."""
BRIGHTEST: Final = 50_000.0
EXR_MAGIC: Final = b"\x76\x2f\x31\x01"
HDR_MAGIC: Final = b"#?"
_HDR_SIZE: Final = re.compile(rb"\n\n-Y (\d{1,5}) \+X (\d{1,5})\n")


def read_panorama(content: bytes) -> Pixels:
    """Light around a scene, `(H, W, 3)`, metered like our own; the middle is straight ahead.

    Raises:
        InvalidInput: It is no panorama, or too large.
    """
    if content.startswith(EXR_MAGIC):
        radiance = _exr(content)
    elif content.startswith(HDR_MAGIC):
        radiance = _hdr(content)
    else:
        raise InvalidInput("the environment is neither Radiance .hdr nor OpenEXR")
    height, width = radiance.shape[:2]
    if width != 2 * height:
        raise InvalidInput(
            f"the environment is {width}x{height}; a panorama is twice as wide as it is high"
        )
    light = np.nan_to_num(np.asarray(radiance, np.float32), nan=0, posinf=BRIGHTEST, neginf=0)
    light = np.clip(light, 0, BRIGHTEST)
    if not light.any():
        raise InvalidInput("the environment has no light in it")
    return metered_panorama(_smaller(light))


def _hdr(content: bytes) -> Pixels:
    size = _HDR_SIZE.search(content[:4096])
    if size is None:
        raise InvalidInput("the .hdr file has no size, or is turned; expected -Y height +X width")
    _check(int(size[2]), int(size[1]))
    try:
        return np.asarray(imagecodecs.rgbe_decode(content))
    except (RuntimeError, ValueError) as error:
        raise InvalidInput("the .hdr file is damaged") from error


def _exr(content: bytes) -> Pixels:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panorama.exr"
        path.write_bytes(content)
        try:
            with OpenEXR.File(str(path), header_only=True) as file:
                low, high = file.header()["dataWindow"]
            width, height = (int(b) - int(a) + 1 for a, b in zip(low, high, strict=True))
            _check(width, height)
            with OpenEXR.File(str(path)) as file:
                channels = file.channels()
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput("the .exr file is damaged") from error
    for name in ("RGB", "RGBA"):
        if name in channels:
            return np.asarray(channels[name].pixels[..., :3], np.float32)
    raise InvalidInput("the .exr file has no channels R, G and B")


def _check(width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE_PX and height > 0 and width * height <= MAX_PIXELS):
        raise InvalidInput(f"the environment is {width}x{height}; at most {MAX_PIXELS} pixels fit")


def _smaller(light: Pixels) -> Pixels:
    """The mean of squares of pixels, until the panorama is small enough."""
    step = -(-light.shape[1] // WIDTH_PX)
    height, width = light.shape[0] // step, light.shape[1] // step
    cut = light[: height * step, : width * step]
    return cut.reshape(height, step, width, step, 3).mean((1, 3), dtype=np.float32)
