"""Where a picture is taken from, and the ray through each of its pixels."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Projection = Literal["perspective", "equirectangular"]


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera without distortion, in a world whose z points up, in metres.

    Attributes:
        pose: Camera to world, `(4, 4)`: x to the right, y up, looking down -z.
        fov_y_deg: Vertical angle of view; without meaning for `equirectangular`.
        width: Columns.
        height: Rows.
        stretch: Horizontal over vertical focal length; 1 for square pixels.
        shift_px: Principal point minus the middle of the picture, to the right and down.
        projection: `equirectangular` sees all directions, -z in its middle.
    """

    pose: NDArray[np.floating]
    fov_y_deg: float
    width: int
    height: int
    stretch: float = 1.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    projection: Projection = "perspective"

    @property
    def focal_px(self) -> float:
        """Vertical focal length in pixels."""
        return 0.5 * self.height / math.tan(0.5 * math.radians(self.fov_y_deg))

    @property
    def eye(self) -> Floats:
        """Where the camera is, `(3,)` metres."""
        return np.asarray(self.pose[:3, 3], np.float32)

    @property
    def radians_a_pixel(self) -> float:
        """Angle between the rays of neighbouring pixels in the middle of the picture."""
        if self.projection == "equirectangular":
            return math.pi / self.height
        return 1 / self.focal_px

    def rays(self, rows: range, right: float = 0.0, down: float = 0.0) -> tuple[Floats, Floats]:
        """Rays through pixels of some rows, the topmost being row 0.

        Args:
            rows: Adjoining rows.
            right: How far from the pixels' middles the rays go, in pixels.
            down: See `right`.

        Returns:
            Origins and unit directions, each `(len(rows), width, 3)`, in the world.
        """
        across, below = self.lens(rows.start, len(rows), 0, right, down)
        local = np.empty((len(rows), self.width, 3))
        local[..., 0] = across[None, :, 0] * below[:, None, 0]
        local[..., 1] = below[:, None, 1]
        local[..., 2] = across[None, :, 1] * below[:, None, 2]
        turned = local @ np.asarray(self.pose[:3, :3], np.float64).T
        turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
        directions = turned.astype(np.float32)  # (rows, W, 3)
        return np.broadcast_to(self.eye, directions.shape), directions

    def lens(
        self, first: int, count: int, further: int, right: float, down: float
    ) -> tuple[Floats, Floats]:
        """Directions in the camera's own axes, as factors of columns and rows.

        Args:
            first: Row.
            count: Rows, also below the picture.
            further: Columns beside the picture's own.
            right: As in `rays`.
            down: As in `rays`.

        Returns:
            `across (width + further, 2)` and `below (count, 3)`: a pixel's ray goes along
            `(across[0] * below[0], below[1], across[1] * below[2])`.
        """
        x = np.arange(self.width + further) + 0.5 + right
        y = np.arange(first, first + count) + 0.5 + down
        if self.projection == "equirectangular":
            azimuth = (x / self.width - 0.5) * 2 * math.pi
            elevation = (0.5 - y / self.height) * math.pi
            across = np.stack([np.sin(azimuth), -np.cos(azimuth)], -1)
            below = np.stack([np.cos(elevation), np.sin(elevation), np.cos(elevation)], -1)
        else:
            to_right = (x - 0.5 * self.width - self.shift_px[0]) / (self.focal_px * self.stretch)
            to_bottom = (y - 0.5 * self.height - self.shift_px[1]) / self.focal_px
            across = np.stack([to_right, np.full(len(x), -1.0)], -1)
            below = np.stack([np.ones(count), -to_bottom, np.ones(count)], -1)
        return across.astype(np.float32), below.astype(np.float32)


def look_at(eye: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pose `(4, 4)` of a level camera at `eye` that looks at `target`, both `(3,)` metres.

    Looking straight up or down, the picture's upper edge points to +y.
    """
    back = np.asarray(eye, np.float64) - target
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    if np.linalg.norm(right) < 1e-6:
        right = np.array([1.0, 0.0, 0.0]) if back[2] > 0 else np.array([-1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, np.asarray(eye, np.float64)], -1)
    return pose
