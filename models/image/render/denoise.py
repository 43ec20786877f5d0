"""Open Image Denoise in tiles, so that a cancelled picture stops between them."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models.image.render.colors import Pixels

TILE_PX = 576
OVERLAP_PX = 48

Library = Any
"""The `pyoidn` module, which has no types."""
Denoise = Callable[[Pixels, Pixels, Pixels, Callable[[], None]], Pixels]


def find_denoiser() -> Denoise | None:
    """The denoiser, or nothing where its wheel is missing or does not load."""
    try:
        library = importlib.import_module("pyoidn")
    except (ImportError, OSError):
        return None
    return lambda color, albedo, normal, check: _tiled(library, color, albedo, normal, check)


def _tiled(
    library: Library, color: Pixels, albedo: Pixels, normal: Pixels, check: Callable[[], None]
) -> Pixels:
    height, width = color.shape[:2]
    total = np.zeros_like(color)
    weights = np.zeros((height, width, 1), np.float32)
    for rows, columns in _tiles(height, width):
        check()
        window = np.s_[rows, columns]
        planes = [
            np.ascontiguousarray(plane[window], np.float32) for plane in (color, albedo, normal)
        ]
        clean = library.denoise(
            color=planes[0], albedo=np.clip(planes[1], 0, 1), normal=planes[2], hdr=True
        )
        ramp = _ramp(rows, height)[:, None] * _ramp(columns, width)[None]
        total[window] += clean * ramp[..., None]
        weights[window] += ramp[..., None]
    return np.maximum(total / weights, 0)


def _tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for rows in _strips(height):
        for columns in _strips(width):
            yield rows, columns


def _strips(length: int) -> list[slice]:
    count = max(1, -(-(length - OVERLAP_PX) // (TILE_PX - OVERLAP_PX)))
    size = -(-(length + OVERLAP_PX * (count - 1)) // count)
    starts = [round(i * (length - size) / max(count - 1, 1)) for i in range(count)]
    return [slice(start, min(start + size, length)) for start in starts]


def _ramp(strip: slice, length: int) -> Pixels:
    """Weights that fade over the overlap, towards neighbours only."""
    position = np.arange(strip.start, strip.stop, dtype=np.float32)
    low = (position - strip.start + 1) / OVERLAP_PX if strip.start > 0 else np.ones_like(position)
    high = (strip.stop - position) / OVERLAP_PX if strip.stop < length else np.ones_like(position)
    return np.clip(np.minimum(low, high), 0, 1).astype(np.float32)
