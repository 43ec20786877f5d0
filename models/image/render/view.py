"""The camera: as near as the whole scene allows."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.image.render.colors import Pixels
from models.image.render.mesh import Floats, rotation
from models.image.schema import Camera

FILL = 0.74
"""Share of the half frame that the objects may reach, at framing 1."""
INSIDE = 0.98
"""What lowering the objects and keeping the eye above the ground may leave of the half frame."""
STEP_BACK, MAX_STEPS_BACK = 1.06, 60
LOWERED = 0.05
"""How far below the middle the objects sit, in half frames."""


@dataclass(frozen=True)
class View:
    """A camera in the world.

    Attributes:
        eye: `(3,)`.
        right: Unit vector `(3,)`; so are `up` and `ahead`.
        up: See `right`.
        ahead: See `right`.
        tangent_x: Half the width of the frame at distance 1.
        tangent_y: Half the height of the frame at distance 1.
        distance_m: From the eye to the middle of the objects.
        aperture_m: Diameter of the lens; 0 is a pinhole, which sees everything sharp.
        focus_m: Depth at which a lens is sharp.
        projection: `equirectangular` sees all directions, `ahead` in the middle; the tangents
            have no meaning then.
    """

    eye: Floats
    right: Floats
    up: Floats
    ahead: Floats
    tangent_x: float
    tangent_y: float
    distance_m: float
    aperture_m: float = 0.0
    focus_m: float = math.inf
    projection: Literal["perspective", "equirectangular"] = "perspective"

    @property
    def has_lens(self) -> bool:
        """Whether some depths are blurred."""
        return self.aperture_m > 0 and math.isfinite(self.focus_m)

    def projected(self, points: Pixels) -> Floats:
        """Where points fall in the frame, `(N, 2)`, each coordinate -1 to 1 inside; y is up."""
        offset = points - self.eye
        depth = offset @ self.ahead
        x = offset @ self.right / (depth * self.tangent_x)
        y = offset @ self.up / (depth * self.tangent_y)
        return np.stack([x, y], 1)

    def directions(self, width_px: int, height_px: int) -> Pixels:
        """Unit vectors through the pixel centres, `(H, W, 3)`."""
        if self.projection == "equirectangular":
            return self._all_around(width_px, height_px)
        x = ((np.arange(width_px) + 0.5) / width_px * 2 - 1) * self.tangent_x
        y = (1 - (np.arange(height_px) + 0.5) / height_px * 2) * self.tangent_y
        ways = self.ahead + x[None, :, None] * self.right + y[:, None, None] * self.up
        return (ways / np.linalg.norm(ways, axis=-1, keepdims=True)).astype(np.float32)

    def _all_around(self, width_px: int, height_px: int) -> Pixels:
        azimuth = ((np.arange(width_px) + 0.5) / width_px - 0.5) * 2 * np.pi
        rise = (0.5 - (np.arange(height_px) + 0.5) / height_px)[:, None] * np.pi
        level = np.sin(azimuth)[:, None] * self.right + np.cos(azimuth)[:, None] * self.ahead
        ways = np.cos(rise)[..., None] * level + np.sin(rise)[..., None] * self.up
        return ways.astype(np.float32)


def fit(camera: Camera, points: Pixels, width_px: int, height_px: int) -> View:
    """Place the camera so that the points fill the frame.

    In each direction of the frame the nearest distance and the shift follow from the two
    extreme points in closed form; the farther of the two distances serves both. Close framing
    may cut objects; otherwise the camera steps back until none is.

    Args:
        camera: Direction, field of view (of the shorter side) and framing.
        points: `(N, 3)` that must be seen.
        width_px: Only the ratio of the sides matters.
        height_px: See `width_px`.
    """
    right, up, ahead = _axes(camera)
    tangent = np.tan(np.radians(camera.fov_deg / 2))
    shorter = min(width_px, height_px)
    tangents = (tangent * width_px / shorter, tangent * height_px / shorter)
    centre = (points.min(0) + points.max(0)) / 2
    local = points - centre
    depth = local @ ahead
    fill = FILL / camera.framing
    spans = [
        _span(local @ axis, depth, t * fill) for axis, t in zip((right, up), tangents, strict=True)
    ]
    distance = max(*(needed for needed, _ in spans), float(-depth.min()) + 0.2)
    for _ in range(MAX_STEPS_BACK):
        view = _at(distance, centre, local, depth, tangents, (right, up, ahead))
        if camera.framing < 1 or np.abs(view.projected(points)).max() <= INSIDE:
            break
        distance *= STEP_BACK
    return view


def _at(
    distance: float,
    centre: Floats,
    local: Floats,
    depth: Floats,
    tangents: tuple[float, float],
    axes: tuple[Floats, Floats, Floats],
) -> View:
    """The view from a distance, the objects a little below the middle, the eye above the ground."""
    right, up, ahead = axes
    slack = [
        _centred(local @ axis, depth, t, distance)
        for axis, t in zip((right, up), tangents, strict=True)
    ]
    lift = LOWERED * tangents[1] * distance
    eye = centre + right * slack[0] + up * (slack[1] + lift) - ahead * distance
    eye[2] = max(float(eye[2]), 0.03 * distance)
    return View(eye, right, up, ahead, float(tangents[0]), float(tangents[1]), float(distance))


def _axes(camera: Camera) -> tuple[Floats, Floats, Floats]:
    turn = rotation("z", camera.azimuth_deg)
    tilt = np.radians(camera.elevation_deg)
    ahead = turn @ np.array([0.0, np.cos(tilt), -np.sin(tilt)])
    right = turn @ np.array([1.0, 0.0, 0.0])
    return right, np.cross(right, ahead), ahead


def _span(across: Floats, depth: Floats, tangent: float) -> tuple[float, float]:
    """Nearest distance at which all points fit, and the shift of the eye that allows it."""
    high, low = float((across / tangent - depth).max()), float((-across / tangent - depth).max())
    return (high + low) / 2, tangent * (high - low) / 2


def _centred(across: Floats, depth: Floats, tangent: float, distance: float) -> float:
    """Shift of the eye that leaves equal room on both sides at a distance."""
    low, high = float(across.min()), float(across.max())
    for _ in range(8):
        middle = (low + high) / 2
        seen = (across - middle) / ((depth + distance) * tangent)
        low, high = (middle, high) if seen.max() + seen.min() > 0 else (low, middle)
    return (low + high) / 2
