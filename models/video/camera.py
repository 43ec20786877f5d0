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

    def rays(self, rows: range) -> tuple[Floats, Floats]:
        """Rays through the centres of the pixels of some rows, the topmost being row 0.

        Returns:
            Origins and unit directions, each `(len(rows), width, 3)`, in the world.
        """
        x, y = (np.asarray(pixels, np.float64) + 0.5 for pixels in (range(self.width), rows))
        turned = self._local(x, y) @ np.asarray(self.pose[:3, :3], np.float64).T
        turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
        directions = turned.astype(np.float32)  # (rows, W, 3)
        return np.broadcast_to(self.eye, directions.shape), directions

    def _local(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Directions `(rows, W, 3)` in the camera's own axes."""
        if self.projection == "equirectangular":
            azimuth = (x / self.width - 0.5) * 2 * math.pi
            elevation = (0.5 - y / self.height) * math.pi
            flat = np.cos(elevation)[:, None]
            return np.stack(
                [
                    flat * np.sin(azimuth),
                    np.repeat(np.sin(elevation)[:, None], self.width, 1),
                    -flat * np.cos(azimuth),
                ],
                -1,
            )
        across = (x - 0.5 * self.width - self.shift_px[0]) / (self.focal_px * self.stretch)
        down = (y - 0.5 * self.height - self.shift_px[1]) / self.focal_px
        grid = np.broadcast_to
        shape = (len(y), len(x))
        return np.stack(
            [grid(across, shape), grid(-down[:, None], shape), grid(np.float64(-1), shape)], -1
        )


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
