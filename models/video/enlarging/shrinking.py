"""Pictures of half the size, as cameras, programs and codecs leave them."""

import io

import numpy as np
from PIL import Image

from models.video.enlarging.patterns import Floats

JPEG_QUALITY = (70, 96)
BLUR_PX = (0.3, 0.7)
"""Standard deviations of a softer lens, in pixels of the large picture."""


def halved(plane: Floats) -> Floats:
    """Means of two by two: what a sensor, and a renderer, sees of a pixel."""
    rows = plane[::2] + plane[1::2]
    return np.asarray((rows[:, ::2] + rows[:, 1::2]) / 4, np.float32)


def shrunken(plane: Floats, rng: np.random.Generator) -> Floats:
    """Half the size by one of several ways, in steps of a byte.

    Args:
        plane: Luma in 0-1, both sides even.
        rng: Chooses the way.
    """
    way = rng.choice(5, p=[0.5, 0.15, 0.1, 0.1, 0.15])
    if way == 0:
        small = halved(plane)
    elif way == 1:  # means of light rather than of code values
        small = halved(plane ** np.float32(2.2)) ** np.float32(1 / 2.2)
    elif way == 2:
        small = halved(_blurred(plane, rng.uniform(*BLUR_PX)))
    elif way == 3:
        small = _resized(plane, Image.Resampling.LANCZOS)
    else:
        small = _resized(plane, Image.Resampling.BICUBIC)
    stepped = in_bytes(small)
    return _compressed(stepped, rng) if rng.random() < 0.1 else stepped


def in_bytes(plane: Floats) -> Floats:
    """A plane in steps of a byte."""
    return np.asarray(np.rint(np.clip(plane, 0, 1) * 255) / 255, np.float32)


def _blurred(plane: Floats, sigma_px: float) -> Floats:
    reach = int(3 * sigma_px) + 1
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    weight /= weight.sum()
    for axis in (0, 1):
        wide = np.pad(plane, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        length = plane.shape[axis]
        plane = np.sum(
            [w * np.take(wide, range(i, i + length), axis) for i, w in enumerate(weight)], 0
        )
    return plane.astype(np.float32)


def _resized(plane: Floats, how: Image.Resampling) -> Floats:
    picture = Image.fromarray(plane)
    return np.asarray(picture.resize((plane.shape[1] // 2, plane.shape[0] // 2), how), np.float32)


def _compressed(plane: Floats, rng: np.random.Generator) -> Floats:
    file = io.BytesIO()
    picture = Image.fromarray(np.rint(plane * 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=int(rng.integers(*JPEG_QUALITY)))
    return np.asarray(Image.open(file), np.float32) / np.float32(255)
