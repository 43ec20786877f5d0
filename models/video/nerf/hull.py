"""Where in space the scene can be: the box of a field and the cells that masks leave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.crew import cores, crew
from models.video.camera import Camera
from models.video.nerf.arrays import Floats
from models.video.nerf.views import Views

Lengths = NDArray[np.floating]

CELLS = 64
PARTS = 16
FARTHEST = 250
COVERED = 1 / 250
"""Opacity from which on a pixel counts as covered."""


@dataclass(frozen=True, eq=False)
class Box:
    """A box in the world, metres: `low (3,)`, `high (3,)`."""

    low: Floats
    high: Floats

    @property
    def extent(self) -> Floats:
        """Lengths of its sides."""
        return self.high - self.low


def box_of(views: Views) -> Box:
    """Box of what the views show.

    With masks it is that of their visual hull. Two more rules keep it small: where a mask touches
    no border, what lies outside the frame is empty; elsewhere a point must be seen by half of the
    views. Without masks it is a cube half as wide as the cameras are far from what they look at.
    """
    centre, distance = aimed_at([views.cameras[view] for view in views.fitted])
    half = 0.5 * distance
    if views.opaque:
        return _box(centre - half, centre + half)
    whole = _box(centre - half, centre + half)
    inside = _hull(views, whole, (CELLS, CELLS, CELLS), sightings=0.5)
    if not inside.any():
        return whole
    found = np.argwhere(inside)
    cell = whole.extent / CELLS
    return _box(whole.low + (found.min(0) - 1) * cell, whole.low + (found.max(0) + 2) * cell)


def _box(low: NDArray[np.floating], high: NDArray[np.floating]) -> Box:
    return Box(np.asarray(low, np.float32), np.asarray(high, np.float32))


def cells_in_hull(views: Views, box: Box, cells: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which cells of a box can hold something, going by the masks; all of them without masks."""
    if views.opaque:
        return np.ones(cells, bool)
    return _hull(views, box, cells, sightings=0.0)


def aimed_at(cameras: list[Camera]) -> tuple[NDArray[np.float64], float]:
    """The point nearest to all optical axes, and its mean distance from the cameras, metres."""
    poses = np.stack([np.asarray(camera.pose, np.float64) for camera in cameras])
    eyes, axes = poses[:, :3, 3], -poses[:, :3, 2]
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # (n, 3, 3)
    # A small pull to the cameras' own middle settles what parallel axes leave open.
    pull = 1e-6 * len(eyes) * np.eye(3)
    right = (across @ eyes[:, :, None]).sum(0)[:, 0] + pull @ eyes.mean(0)
    centre = np.linalg.solve(across.sum(0) + pull, right)
    return centre, float(np.linalg.norm(eyes - centre, axis=-1).mean())


def _hull(
    views: Views, box: Box, cells: tuple[int, int, int], sightings: float
) -> NDArray[np.bool_]:
    """Cells `cells` whose middles all masks cover, each mask grown by half a cell's diagonal."""
    from models.video.nerf.carve import carve  # noqa: PLC0415  # compiles on first use

    cameras = [views.cameras[view] for view in views.fitted]
    covered = [views.rgba(view)[..., 3] > COVERED for view in views.fitted]
    away = np.stack([distances(mask[None], FARTHEST)[0] for mask in covered])
    cell = np.asarray(box.extent / np.array(cells), np.float32)
    count = int(np.prod(cells))
    inside = np.zeros(count, np.bool_)
    seen = (
        np.float32(0.5 * np.linalg.norm(cell)),
        np.stack([camera.eye for camera in cameras]),
        np.stack([np.asarray(camera.pose[:3, :3], np.float32) for camera in cameras]),
        np.array([(c.focal_px * c.stretch, c.focal_px) for c in cameras], np.float32),
        np.array([(c.width / 2 + c.shift_px[0], c.height / 2 + c.shift_px[1]) for c in cameras],
                 np.float32),
        away,
        np.array([_at_border(mask) for mask in covered]),
        sightings * len(cameras),
    )  # fmt: skip
    edges = np.linspace(0, count, PARTS + 1).astype(int)

    def part(number: int) -> None:
        shape = np.array(cells, np.int64)
        carve(edges[number], edges[number + 1], box.low, cell, shape, *seen, inside)

    with crew(cores()) as share:
        share(part, PARTS)
    return inside.reshape(cells)


def _at_border(covered: NDArray[np.bool_]) -> bool:
    return bool(
        covered[0].any() or covered[-1].any() or covered[:, 0].any() or covered[:, -1].any()
    )


def distances(filled: NDArray[np.bool_], longest: int) -> NDArray[np.uint8]:
    """Chessboard distance of every cell to the nearest filled one, at most `longest`."""
    from models.video.nerf.carve import widen  # noqa: PLC0415  # compiles on first use

    padded = np.full([side + 2 for side in filled.shape], longest, np.uint8)
    padded[1:-1, 1:-1, 1:-1][filled] = 0
    widen(padded)
    return np.ascontiguousarray(padded[1:-1, 1:-1, 1:-1])
