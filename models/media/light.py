"""Scene-linear light as HDR10 code values.

Sources: perceptual quantiser, SMPTE ST 2084; primaries and matrix, ITU-R BT.2020; conversion of
BT.709, ITU-R BT.2087; diffuse white at 203 cd/m², ITU-R BT.2408.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WHITE_NITS: Final = 203.0
PEAK_NITS: Final = 1000.0
"""What frames are clipped to: the display of the mastering metadata."""
M1, M2 = 2610 / 16384, 2523 / 4096 * 128
C1, C2, C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
TO_2020: Final = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]], np.float32
)
LUMA_2020: Final = np.array([0.2627, 0.6780, 0.0593], np.float32)
LUMA_709: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
TABLE_SIZE: Final = 1 << 14


def pq(nits: NDArray[np.floating]) -> Floats:
    """Code values 0-1 of light in cd/m²."""
    power = np.power(np.clip(np.asarray(nits, np.float64) / 10_000, 0, 1), M1)
    return np.power((C1 + C2 * power) / (1 + C3 * power), M2).astype(np.float32)


def nits_of(code: NDArray[np.floating]) -> Floats:
    """Light in cd/m² of code values 0-1."""
    root = np.power(np.clip(np.asarray(code, np.float64), 0, 1), 1 / M2)
    light = np.power(np.maximum(root - C1, 0) / (C2 - C3 * root), 1 / M1)
    return np.asarray(light * 10_000, np.float32)


# Entries at even steps of the fourth root of light differ by less than a third of a 10-bit code.
_ROOT_OF_PEAK: Final = (PEAK_NITS / WHITE_NITS) ** 0.25
_CODES: Final = pq(np.linspace(0, _ROOT_OF_PEAK, TABLE_SIZE) ** 4 * WHITE_NITS)
_STEPS: Final = np.float32((TABLE_SIZE - 1) / _ROOT_OF_PEAK)


def hdr10_rgb(light: Floats) -> tuple[Floats, Floats, Floats]:
    """Red, green and blue code values `(H, W)` in BT.2020 of BT.709 light `(H, W, 3)`.

    Diffuse white is 1. Channels are kept apart: numpy is slow along an axis of three.
    """
    red, green, blue = (np.ascontiguousarray(light[..., channel]) for channel in range(3))
    first, second, third = (_coded(a * red + b * green + c * blue) for a, b, c in TO_2020)
    return first, second, third


def _coded(wide: Floats) -> Floats:
    np.clip(wide, 0, np.float32(PEAK_NITS / WHITE_NITS), out=wide)
    np.sqrt(np.sqrt(wide, out=wide), out=wide)
    wide *= _STEPS
    wide += np.float32(0.5)
    return np.take(_CODES, wide.astype(np.uint16))


def display_light(code: Floats) -> Floats:
    """BT.709 light 0-1, diffuse white being 1, of HDR10 code values `(H, W, 3)`: for thumbnails."""
    light = nits_of(code) / WHITE_NITS @ np.linalg.inv(TO_2020).T
    return np.clip(light, 0, 1).astype(np.float32)
