"""How finely a picture samples a field."""

from collections.abc import Callable

import numpy as np

from models.video.camera import Camera
from models.video.nerf.arrays import Grid
from models.video.nerf.frame import Frame

FINEST_RAYS = 3


def cells_a_pixel(grid: Grid, camera: Camera) -> float:
    """Side of a pixel at the middle of the box, in cells."""
    middle = grid.low + 0.5 * (grid.shape - 1) / grid.per_metre
    distance = float(np.linalg.norm(camera.eye - middle))
    return distance * camera.radians_a_pixel * float(grid.per_metre.mean())


def rays_across(grid: Grid, camera: Camera) -> int:
    """Rays per side of a pixel, enough for cells that are smaller than pixels."""
    return int(np.clip(np.ceil(cells_a_pixel(grid, camera) - 0.1), 1, FINEST_RAYS))


def mean_frame(count: int, draw: Callable[[float, float], Frame]) -> Frame:
    """Mean of frames whose rays go through the squares of a pixel, `count` per side.

    Args:
        count: See above.
        draw: Takes how far to the right of and below the pixel's middle its ray goes.
    """
    line = [(n + 0.5) / count - 0.5 for n in range(count)]
    frames = [draw(right, down) for down in line for right in line]
    if count == 1:
        return frames[0]
    return Frame(
        np.mean([frame.rgb for frame in frames], 0, np.float32),
        np.mean([frame.alpha for frame in frames], 0, np.float32),
        np.mean([frame.depth for frame in frames], 0, np.float32),
    )
