"""From scene-linear light to a picture: exposure, grade and a tone curve that keeps hues."""

import numpy as np

from models.image.render.colors import LUMINANCE, Pixels, encode_srgb
from models.image.styles import Grade

SHOULDER = 0.62
"""Light up to here is reproduced as it is, so that a named colour stays that colour."""
WHITE_STOPS = 3.0
MIDDLE_GREY = 0.18


def exposed(light: Pixels, grade: Grade, level: float) -> Pixels:
    """Graded light, still linear and unbounded.

    Args:
        light: `(H, W, 3)`, white paper near 1.
        grade: The style's.
        level: Brightness of white paper in the picture.
    """
    graded = light * (level * 2.0**grade.exposure_stops)
    graded = _bloomed(graded, grade.bloom)
    graded = graded * np.array(grade.tint, np.float32)
    graded = _contrasted(graded, grade.contrast)
    grey = (graded @ LUMINANCE)[..., None]
    graded = grey + (graded - grey) * grade.saturation
    graded = _vignetted(graded, grade.vignette) + np.array(grade.shadow_tint, np.float32)
    return np.maximum(graded, 0).astype(np.float32)


def tone_mapped(light: Pixels) -> Pixels:
    """Display light in 0-1.

    The curve acts on a norm of the three channels and scales them alike, which keeps hue and
    saturation; only what exceeds the display is led to white, as film would.
    """
    peak = light.max(-1, keepdims=True)
    grey = (light @ LUMINANCE)[..., None]
    norm = np.maximum(0.8 * peak + 0.2 * grey, 1e-6)
    mapped = light * (_shoulder(norm) / norm)
    over = np.clip((norm - 1.0) / (2**WHITE_STOPS), 0, 1) ** 0.7
    mapped = mapped * (1 - over) + _shoulder(norm) * over
    return np.clip(mapped, 0, 1).astype(np.float32)


def displayed(light: Pixels, grade: Grade, level: float) -> Pixels:
    """The finished picture, sRGB values in 0-1, `(H, W, 3)`."""
    encoded = encode_srgb(tone_mapped(exposed(light, grade, level)))
    if grade.grain:
        noise = np.random.default_rng(1).normal(size=encoded.shape[:2]).astype(np.float32)
        encoded = encoded + (noise * grade.grain)[..., None] * (1 - 0.6 * encoded)
    return np.clip(encoded, 0, 1).astype(np.float32)


def _shoulder(x: Pixels) -> Pixels:
    room = 1 - SHOULDER
    return np.where(x <= SHOULDER, x, SHOULDER + room * (1 - np.exp(-(x - SHOULDER) / room)))


def _contrasted(light: Pixels, contrast: float) -> Pixels:
    if contrast == 1.0:
        return light
    grey = np.maximum((light @ LUMINANCE)[..., None], 1e-6)
    return light * (grey / MIDDLE_GREY) ** (contrast - 1)


def _vignetted(light: Pixels, strength: float) -> Pixels:
    height, width = light.shape[:2]
    y = np.linspace(-1, 1, height)[:, None]
    x = np.linspace(-1, 1, width)[None]
    return light * (1 - strength * np.clip((x * x + y * y) / 2, 0, 1) ** 1.4)[..., None].astype(
        np.float32
    )


def _bloomed(light: Pixels, share: float) -> Pixels:
    """Let highlights bleed: blur a small copy and mix it in."""
    if share <= 0 or min(light.shape[:2]) < 32:
        return light
    step = max(1, min(light.shape[:2]) // 128)
    height, width = light.shape[0] // step, light.shape[1] // step
    small = (
        light[: height * step, : width * step].reshape(height, step, width, step, 3).mean((1, 3))
    )
    bright = np.maximum(small - 0.9, 0)
    halo = np.zeros_like(bright)
    for radius, weight in ((1.5, 0.5), (4.0, 0.3), (10.0, 0.2)):
        halo += weight * _blurred(bright, radius)
    return light + share * 6 * _enlarged(halo, light.shape[0], light.shape[1])


def _blurred(image: Pixels, radius: float) -> Pixels:
    reach = int(radius * 3)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        padded = np.pad(image, pad)
        length = image.shape[axis]
        image = sum(
            (k * np.take(padded, range(i, i + length), axis) for i, k in enumerate(kernel)),
            np.zeros_like(image),
        )
    return image


def _enlarged(image: Pixels, height: int, width: int) -> Pixels:
    """Bilinear enlargement to a size."""
    for axis, length in ((0, height), (1, width)):
        count = image.shape[axis]
        position = np.clip((np.arange(length) + 0.5) / length * count - 0.5, 0, count - 1)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, count - 1)
        shape = [1, 1, 1]
        shape[axis] = length
        share = (position - low).astype(np.float32).reshape(shape)
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image
