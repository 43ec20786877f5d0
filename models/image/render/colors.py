"""Colours between sRGB hex and linear light."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.floating[Any]]
"""Values of pixels, colours or points; `float32` wherever there are many."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear Rec. 709 primaries."""


def linear(color: str) -> Pixels:
    """Linear RGB of `#rrggbb`, `(3,)`."""
    encoded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    return decode_srgb(encoded)


def decode_srgb(encoded: Pixels) -> Pixels:
    """Linear light of sRGB values in 0-1."""
    low = encoded / 12.92
    high = ((encoded + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)


def encode_srgb(light: Pixels) -> Pixels:
    """The sRGB values of linear light in 0-1."""
    inside = np.clip(light, 0, 1)
    high = 1.055 * np.power(inside, 1 / 2.4) - 0.055
    return np.where(inside <= 0.0031308, 12.92 * inside, high).astype(np.float32)
