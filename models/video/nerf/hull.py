"""Where in space the scene can be: the box of a field and the cells that masks leave."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.video.camera import Camera
from models.video.nerf.arrays import Floats
from models.video.nerf.views import Views

Lengths = NDArray[np.floating]

CELLS = 64
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
    lines = [
        low + (np.arange(n) + 0.5) * side / n
        for low, side, n in zip(box.low, box.extent, cells, strict=True)
    ]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 3).astype(np.float32)
    radius = 0.5 * float(np.linalg.norm(box.extent / np.array(cells)))
    inside, seen_by = np.ones(len(points), bool), np.zeros(len(points), np.int32)
    for view in views.fitted:
        camera, alpha = views.cameras[view], views.rgba(view)[..., 3]
        alive = np.flatnonzero(inside)
        column, row, depth = _projected(camera, points[alive])
        nearest = max(float(depth[depth > 0].min(initial=np.inf)), 4 * radius)
        reach = min(math.ceil(radius * camera.focal_px / nearest) + 1, max(alpha.shape))
        covered = _grown(alpha > COVERED, reach)
        height, width = covered.shape
        seen = (depth > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        keep = np.ones(len(alive), bool)
        keep[seen] = covered[row[seen].astype(int), column[seen].astype(int)]
        if not _at_border(alpha):
            keep &= seen
        seen_by[alive[seen]] += 1
        inside[alive[~keep]] = False
    inside &= seen_by >= sightings * len(views.fitted)
    return inside.reshape(cells)


def _projected(camera: Camera, points: Floats) -> tuple[Lengths, Lengths, Lengths]:
    """Columns, rows and depths in front of the camera."""
    local = (points - camera.eye) @ np.asarray(camera.pose[:3, :3], np.float32)
    depth = -local[:, 2]
    safe = np.where(depth > 1e-6, depth, 1)
    column = camera.focal_px * camera.stretch * local[:, 0] / safe
    row = -camera.focal_px * local[:, 1] / safe
    column += camera.width / 2 + camera.shift_px[0]
    row += camera.height / 2 + camera.shift_px[1]
    return column, row, np.where(depth > 1e-6, depth, 0)


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """A mask dilated by a square of `2 reach + 1` pixels, by sums over windows."""
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach + 1, reach)
        total = np.cumsum(np.pad(mask.astype(np.int32), pad), axis)
        length = mask.shape[axis]
        window = np.take(total, range(2 * reach + 1, 2 * reach + 1 + length), axis)
        mask = window > np.take(total, range(length), axis)
    return mask


def _at_border(alpha: Floats) -> bool:
    edges = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
    return bool(max(edge.max() for edge in edges) > COVERED)
