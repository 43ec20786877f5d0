"""Voxel grids: made, grown finer, and told where they are empty."""

import numpy as np
from numpy.typing import NDArray

from models.video.nerf.arrays import DENSITY_SHIFT, FEATURES, Bytes, Floats, Grid
from models.video.nerf.hull import Box, distances

STEP_CELLS = 0.75
DENSITY_UNITS = 224.0
"""Optical depth across the box at density 1: makes a fit independent of the scene's unit."""


def shape_of(box: Box, voxels: int) -> tuple[int, int, int]:
    """Voxels per axis where the longest side has `voxels`."""
    sides = np.maximum(np.round(box.extent / box.extent.max() * voxels), 4)
    return int(sides[0]), int(sides[1]), int(sides[2])


def new_grid(box: Box, voxels: int) -> Grid:
    """A grid of almost empty space."""
    shape = shape_of(box, voxels)
    count = shape[0] * shape[1] * shape[2]
    return _grid(
        box, shape, np.zeros(count, np.float32), np.full((count, FEATURES), 0.5, np.float32)
    )


def grown(grid: Grid, box: Box, voxels: int) -> Grid:
    """The same field on a finer grid, interpolated."""
    shape = shape_of(box, voxels)
    old = tuple(int(n) for n in grid.shape)
    density = _resized(grid.density.reshape(*old, 1), shape)
    feature = _resized(grid.feature.reshape(*old, FEATURES), shape)
    return _grid(box, shape, density.reshape(-1), feature.reshape(-1, FEATURES))


def _grid(box: Box, shape: tuple[int, int, int], density: Floats, feature: Floats) -> Grid:
    cells = np.array(shape) - 1
    return Grid(
        density,
        feature,
        np.zeros(tuple(cells), np.uint8),
        np.array(shape, np.int64),
        np.asarray(box.low, np.float32),
        np.asarray(cells / box.extent, np.float32),
        np.float32(box.extent.max() / cells.max() * STEP_CELLS),
        np.float32(DENSITY_UNITS / box.extent.max()),
    )


def _resized(values: Floats, shape: tuple[int, int, int]) -> Floats:
    """Values `(g0, g1, g2, channels)` on another grid with the same corners, axis by axis."""
    for axis, count in enumerate(shape):
        last = values.shape[axis] - 1
        at = np.linspace(0, last, count)
        low = np.minimum(at.astype(int), max(last - 1, 0))
        share = (at - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(4)])
        below, above = np.take(values, low, axis), np.take(values, np.minimum(low + 1, last), axis)
        above -= below
        above *= share
        below += above
        values = below
    return np.ascontiguousarray(values)


def filled_cells(grid: Grid, threshold: float) -> NDArray[np.bool_]:
    """Cells, one of whose corners absorbs more than `threshold` of the light in one step."""
    raw = np.minimum(grid.density + np.float32(DENSITY_SHIFT), 20)
    alpha = 1 - np.exp(-np.log1p(np.exp(raw)) * grid.absorption * grid.step_m)
    return cells_around(alpha.reshape(tuple(grid.shape)) > threshold)


def cells_around(voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells with a true corner: `(g0, g1, g2)` to `(g0 - 1, g1 - 1, g2 - 1)`."""
    near = voxels[:-1] | voxels[1:]
    near = near[:, :-1] | near[:, 1:]
    return np.asarray(near[:, :, :-1] | near[:, :, 1:])


def corners_of(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels at a corner of a true cell."""
    return cells_around(np.pad(cells, 1))


def leaps(filled: NDArray[np.bool_], longest: int) -> Bytes:
    """Chessboard distance of every cell to the nearest filled one, at most `longest`."""
    return distances(filled, longest)
