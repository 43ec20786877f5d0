"""What the kernels of layers read, as plain arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.video.nerf.arrays import Bytes, Floats

WHOLE, TORN = 1, 2
"""Kinds of squares between four neighbouring points: a piece of surface, or the edge of one."""
NOTHING = -1.0
"""Nearness of points where a layer is not."""

Flags = NDArray[np.bool_]


class Stack(NamedTuple):
    """Surfaces in the camera of a picture, the seen one first, each later one behind it.

    Attributes:
        nearness: `(L, H, W)` 1 / distance along the axis of the camera; 0 is infinitely far,
            NOTHING where the layer is not.
        colour: `(L, H, W, 3)` sRGB.
        made: `(L, H, W)` 1 where the picture shows nothing and what is there was made up.
        squares: `(L, H - 1, W - 1)` WHOLE, TORN, or 0 where there is nothing.
        focal_px: `(2,)` to the right and down; so is `centre_px`, from the upper left corner.
        centre_px: See `focal_px`.
        jump: Difference in nearness between neighbours that are not of one surface.
        beyond: `(3,)` colour of where no surface is.
    """

    nearness: Floats
    colour: Bytes
    made: Bytes
    squares: Bytes
    focal_px: NDArray[np.float64]
    centre_px: NDArray[np.float64]
    jump: np.floating
    beyond: Floats


class Sight(NamedTuple):
    """A camera near that of the picture.

    Attributes:
        turn: `(3, 3)` from the axes of the picture's camera to its own.
        shift: `(3,)` where the picture's camera is, in its own axes, metres.
        focal_px: As in `Stack`.
        centre_px: As in `Stack`.
        nearest: Nearness of what is too near to be seen.
    """

    turn: NDArray[np.float64]
    shift: NDArray[np.float64]
    focal_px: NDArray[np.float64]
    centre_px: NDArray[np.float64]
    nearest: float


class Seen(NamedTuple):
    """Some rows of a picture.

    Attributes:
        colour: `(rows, W, 3)` sRGB codes, 0-255.
        nearness: `(rows, W)`; -1 where no surface is.
        made: `(rows, W)` 1 where something made up, or nothing, is seen.
    """

    colour: Floats
    nearness: Floats
    made: Bytes
