"""Colour spaces: sRGB hex codes, OKLab for learning, CIEDE2000 for judging."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LINEAR_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LINEAR_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])


def linear_of(color: str) -> Floats:
    """Linear RGB in 0-1 of `#rrggbb` or `#rgb`."""
    digits = color.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    srgb = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def oklab_of(color: str) -> Floats:
    """OKLab of an sRGB hex code.

    Source: Ottosson 2020, "A perceptual color space for image processing".
    """
    return _LMS_TO_OKLAB @ np.cbrt(_LINEAR_TO_LMS @ linear_of(color))


def hex_of(oklab: Sequence[float] | Floats) -> str:
    """The sRGB hex code of an OKLab colour; outside the gamut, chroma gives way first."""
    lab = np.array(oklab, np.float64)
    for _ in range(24):
        linear = np.linalg.solve(_LINEAR_TO_LMS, np.linalg.solve(_LMS_TO_OKLAB, lab) ** 3)
        if linear.min() >= -1e-3 and linear.max() <= 1.001:
            break
        lab[1:] *= 0.93
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(channel) * 255):02x}" for channel in srgb)


def cielab_of(color: str) -> Floats:
    """CIE L*a*b* (D65) of an sRGB hex code."""
    ratio = _LINEAR_TO_XYZ @ linear_of(color) / _WHITE_D65
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _hue_deg(a: float, b: float) -> float:
    return math.degrees(math.atan2(b, a)) % 360 if a or b else 0.0


def _hue_difference_and_mean(h1: float, h2: float, c1: float, c2: float) -> tuple[float, float]:
    """Difference and mean of two hues in degrees, on the shorter arc (eq. 10 and 14)."""
    if c1 * c2 == 0:
        return 0.0, h1 + h2
    dh = (h2 - h1 + 180) % 360 - 180
    if h2 - h1 == 180:
        dh = 180.0
    mean = (h1 + h2) / 2
    if abs(h1 - h2) > 180:
        mean += 180 if h1 + h2 < 360 else -180
    return dh, mean


def ciede2000(first: Floats, second: Floats) -> float:
    """Colour difference of two CIE L*a*b* colours.

    Source: Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula", eq. 2-22.
    """
    (l1, a1, b1), (l2, a2, b2) = (map(float, lab) for lab in (first, second))
    mean_c7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - math.sqrt(mean_c7 / (mean_c7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    dh, h = _hue_difference_and_mean(_hue_deg(a1, b1), _hue_deg(a2, b2), c1, c2)
    d_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(dh / 2))
    lightness, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * math.cos(math.radians(h - 30))
        + 0.24 * math.cos(math.radians(2 * h))
        + 0.32 * math.cos(math.radians(3 * h + 6))
        - 0.20 * math.cos(math.radians(4 * h - 63))
    )
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / math.sqrt(20 + (lightness - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c, 1 + 0.015 * c * t
    turn = math.radians(60 * math.exp(-(((h - 275) / 25) ** 2)))
    r_t = -2 * math.sqrt(c**7 / (c**7 + 25.0**7)) * math.sin(turn)
    light, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    return math.sqrt(light**2 + chroma**2 + hue**2 + r_t * chroma * hue)
