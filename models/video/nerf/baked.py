"""A field made ready for frames of any size."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.core.crew import cores, crew
from models.core.errors import InvalidInput
from models.video.camera import Camera
from models.video.nerf.arrays import (
    DENSEST,
    DENSITY_SHIFT,
    FEATURES,
    SPARSEST,
    Bytes,
    Floats,
    Grid,
    Network,
)
from models.video.nerf.field import VoxelField
from models.video.nerf.frame import Frame
from models.video.nerf.sampling import cells_a_pixel, mean_frame, rays_across
from models.video.nerf.volume import leaps

LEAP_CELLS = 48
FINE = 16
"""Entries of the table of opacities per step of a density byte."""
TILE_ROWS, TILE_COLUMNS = 16, 16
FEATURE_TOLERANCE, LIGHT_TOLERANCE = 0.06, 0.04
"""How far a block's corners may be from foretelling each other; see `swift.agree`."""
PIXELS_A_CELL = ((32.0, 8), (16.0, 4), (5.0, 2))
"""How many pixels a cell must span for blocks of so many pixels."""


class Baked(NamedTuple):
    """What the kernels read.

    Attributes:
        grid: Its geometry; no voxels.
        network: As fitted.
        sky: As fitted.
        leap: As in `Grid`, but farther.
        cell: `(g0 - 1, g1 - 1, g2 - 1)` row of a filled cell in `density` and `feature`, else -1.
        density: `(M, 8)` bytes at the corners of the filled cells, SPARSEST to DENSEST.
        feature: `(M, 8, FEATURES)` bytes, 0 to 1.
        opacity: `(255 * FINE + 1,)` of one step, by density.
        near_m: Nothing nearer to the eye is seen.
        agreement: `(FEATURES + 2,)` tolerances of features, of light, and of depth in metres.
    """

    grid: Grid
    network: Network
    sky: Floats
    leap: Bytes
    cell: NDArray[np.int32]
    density: Bytes
    feature: Bytes
    opacity: Floats
    near_m: np.floating
    agreement: Floats


@dataclass(frozen=True, eq=False)
class BakedField:
    """See `Field`; the picture does not depend on the number of threads.

    Attributes:
        tensors: Everything, as in its file.
        threads: That render; 0 for one per core.
        block: Pixels per side within which what rays gather may be interpolated where it is
            smooth, 1, 2, 4 or 8; 0 chooses by how many pixels a voxel spans.
    """

    tensors: dict[str, NDArray[np.generic]]
    threads: int = 0
    block: int = 0

    def __post_init__(self) -> None:
        if self.block not in (0, 1, 2, 4, 8):
            raise InvalidInput(f"blocks have 1, 2, 4 or 8 pixels per side, got {self.block}")

    def render(self, camera: Camera, rows: range) -> Frame:
        """See `Field`.

        Raises:
            InvalidInput: The rows are not adjoining ones of the picture.
        """
        if rows.step != 1 or not 0 <= rows.start <= rows.stop <= camera.height:
            raise InvalidInput(f"expected adjoining rows of 0 to {camera.height}, got {rows}")
        count = rays_across(self.baked.grid, camera)
        return mean_frame(count, lambda right, down: self._once(camera, rows, right, down))

    @cached_property
    def baked(self) -> Baked:
        """What the kernels read."""
        return _unpacked(self.tensors)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its file."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """As a safetensors file; the same field gives the same bytes."""
        from safetensors.numpy import save  # noqa: PLC0415  # read only where files are

        return save({k: np.ascontiguousarray(v) for k, v in sorted(self.tensors.items())})

    @classmethod
    def from_bytes(cls, content: bytes, threads: int = 0) -> "BakedField":
        """What `to_bytes` made.

        Raises:
            InvalidInput: It is something else.
        """
        from safetensors import SafetensorError  # noqa: PLC0415  # see to_bytes
        from safetensors.numpy import load  # noqa: PLC0415

        try:
            field = cls(load(content), threads)
            _unpacked(field.tensors)
        except (SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
            raise InvalidInput(f"this is no baked field: {error}") from error
        return field

    def _once(self, camera: Camera, rows: range, right: float, down: float) -> Frame:
        from models.video.nerf.swift import draw_tiles  # noqa: PLC0415  # compiles on first use

        # Blocks at the edge of the picture have corners outside of it.
        lens = camera.lens(rows.start, len(rows) + TILE_ROWS + 1, TILE_COLUMNS + 1, right, down)
        pose = np.ascontiguousarray(camera.pose[:3], np.float32)
        shape = (len(rows), camera.width)
        rgb = np.empty((*shape, 3), np.float32)
        alpha, depth = np.empty(shape, np.float32), np.empty(shape, np.float32)
        block = self.block or _block_for(self.baked.grid, camera)

        def part(row: int) -> None:
            draw_tiles(self.baked, lens, pose, block, row, row + 1, rgb, alpha, depth)

        with crew(self.threads or cores()) as share:
            share(part, -(-len(rows) // TILE_ROWS))
        return Frame(rgb, alpha, depth)


def bake(field: VoxelField) -> BakedField:
    """Keep of a field only what frames need: its filled cells, in bytes.

    Fitting already keeps densities and features within the ranges of the bytes and empties what
    nobody sees, so that nothing but rounding is lost.
    """
    grid = field.grid
    g1, g2 = int(grid.shape[1]), int(grid.shape[2])
    filled = grid.leap == 0
    where = np.argwhere(filled)
    base = (where[:, 0] * g1 + where[:, 1]) * g2 + where[:, 2]
    corner = np.arange(8)
    offsets = (corner >> 2) * g1 * g2 + ((corner >> 1) & 1) * g2 + (corner & 1)
    voxels = base[:, None] + offsets  # (M, 8)
    density = (grid.density[voxels] - SPARSEST) / (DENSEST - SPARSEST)
    return BakedField(
        {
            "density": _byte(density),
            "feature": _byte(grid.feature[voxels]),
            "filled": filled.astype(np.uint8),
            "low": grid.low,
            "per_metre": grid.per_metre,
            "lengths": np.array([grid.step_m, grid.absorption, field.near_m], np.float32),
            "sky": field.sky,
            **{f"network.{name}": layer for name, layer in field.network._asdict().items()},
        },
        field.threads,
    )


def _unpacked(tensors: dict[str, NDArray[np.generic]]) -> Baked:
    def floats(name: str) -> Floats:
        return np.ascontiguousarray(tensors[name], np.float32)

    filled = np.asarray(tensors["filled"], np.uint8) > 0
    density = np.ascontiguousarray(tensors["density"], np.uint8)
    feature = np.ascontiguousarray(tensors["feature"], np.uint8)
    count = int(filled.sum())
    if density.shape != (count, 8) or feature.shape != (count, 8, FEATURES):
        raise ValueError(f"{count} filled cells, but values of {len(density)}")
    cell = np.full(filled.shape, -1, np.int32)
    cell[filled] = np.arange(count)
    step_m, absorption, near_m = floats("lengths")
    raw = np.linspace(SPARSEST, DENSEST, 255 * FINE + 1) + DENSITY_SHIFT
    opacity = 1 - np.exp(-np.log1p(np.exp(raw)) * absorption * step_m)
    nothing = np.zeros(1, np.float32), np.zeros((1, FEATURES), np.float32)
    leap = leaps(filled, LEAP_CELLS)
    shape = np.array(filled.shape, np.int64) + 1
    per_metre = floats("per_metre")
    grid = Grid(*nothing, leap, shape, floats("low"), per_metre, step_m, absorption)
    network = Network(*(floats(f"network.{name}") for name in Network._fields))
    tolerances = [FEATURE_TOLERANCE] * FEATURES + [LIGHT_TOLERANCE, 1 / float(per_metre.mean())]
    return Baked(
        grid, network, floats("sky"), leap, cell, density, feature, opacity.astype(np.float32),
        near_m, np.array(tolerances, np.float32),
    )  # fmt: skip


def _byte(unit: Floats) -> Bytes:
    return np.round(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def _block_for(grid: Grid, camera: Camera) -> int:
    pixels = 1 / max(cells_a_pixel(grid, camera), 1e-9)
    return next((block for needed, block in PIXELS_A_CELL if pixels > needed), 1)
