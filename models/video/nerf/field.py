"""A fitted field: voxels, a small network and what lies behind."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.crew import cores, crew
from models.core.errors import InvalidInput
from models.video.camera import Camera
from models.video.nerf.arrays import FEATURES, Floats, Grid, Network
from models.video.nerf.frame import Frame
from models.video.nerf.sampling import mean_frame, rays_across
from models.video.nerf.volume import leaps

RAYS_A_PART = 4096
LEAP_CELLS = 24
FORMAT = "orrery-voxel-field-1"


@dataclass(frozen=True, eq=False)
class VoxelField:
    """See `Field`.

    Attributes:
        grid: The voxels.
        network: Turns the features that a ray gathered into a colour.
        sky: `(rows, columns, 3)` colours behind everything; `(1, 1, 3)` if they are one.
        near_m: Nothing nearer to the eye is seen.
        threads: That render; the picture does not depend on them.
    """

    grid: Grid
    network: Network
    sky: Floats
    near_m: float
    threads: int = 0

    def render(self, camera: Camera, rows: range) -> Frame:
        """See `Field`; where pixels are larger than voxels, each is the mean of several rays."""

        def draw(right: float, down: float) -> Frame:
            origins, directions = camera.rays(rows, right, down)
            shape = directions.shape
            flat = (np.ascontiguousarray(part).reshape(-1, 3) for part in (origins, directions))
            rgb, alpha, depth = self.rays(*flat)
            return Frame(rgb.reshape(shape), alpha.reshape(shape[:2]), depth.reshape(shape[:2]))

        return mean_frame(rays_across(self.grid, camera), draw)

    def rays(self, origins: Floats, directions: Floats) -> tuple[Floats, Floats, Floats]:
        """Colour `(n, 3)`, opacity `(n,)` and depth `(n,)` along any rays, `(n, 3)` each."""
        from models.video.nerf.plain import draw_rays  # noqa: PLC0415  # compiles on first use

        count = len(origins)
        rgb = np.empty((count, 3), np.float32)
        alpha, depth = np.empty(count, np.float32), np.empty(count, np.float32)

        def part(number: int) -> None:
            first = number * RAYS_A_PART
            draw_rays(
                origins, directions, first, min(first + RAYS_A_PART, count),
                self.grid, self.network, self.sky, np.float32(self.near_m), rgb, alpha, depth,
            )  # fmt: skip

        with crew(self.threads or cores()) as share:
            share(part, -(-count // RAYS_A_PART))
        return rgb, alpha, depth

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Everything, for a safetensors file; empty cells travel as they are."""
        named = {f"network.{k}": v for k, v in self.network._asdict().items()}
        return {
            "density": self.grid.density,
            "feature": self.grid.feature,
            "empty": (self.grid.leap > 0).astype(np.uint8),
            "shape": self.grid.shape,
            "low": self.grid.low,
            "per_metre": self.grid.per_metre,
            "lengths": np.array([self.grid.step_m, self.grid.absorption, self.near_m], np.float32),
            "sky": self.sky,
            **named,
        }

    def to_bytes(self) -> bytes:
        """As a safetensors file; the same field gives the same bytes."""
        from safetensors.numpy import save  # noqa: PLC0415  # read only where files are

        tensors = {k: np.ascontiguousarray(v) for k, v in sorted(self.tensors().items())}
        return save(tensors, {"format": json.dumps(FORMAT)})

    @classmethod
    def from_bytes(cls, content: bytes, threads: int = 0) -> "VoxelField":
        """What `to_bytes` made.

        Raises:
            InvalidInput: It is something else.
        """
        from safetensors import SafetensorError  # noqa: PLC0415  # see to_bytes
        from safetensors.numpy import load  # noqa: PLC0415

        try:
            return cls.of(load(content), threads)
        except (SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
            raise InvalidInput(f"this is no field: {error}; expected {FORMAT}") from error

    @classmethod
    def of(cls, tensors: dict[str, NDArray[np.generic]], threads: int = 0) -> "VoxelField":
        """The field whose `tensors()` these are."""
        shape = np.asarray(tensors["shape"], np.int64).reshape(3)
        count = int(shape.prod())
        empty = np.asarray(tensors["empty"], np.uint8).reshape(tuple(shape - 1)) > 0
        step_m, absorption, near_m = _floats(tensors, "lengths", 3)
        grid = Grid(
            _floats(tensors, "density", count),
            _floats(tensors, "feature", count, FEATURES),
            leaps(~empty, LEAP_CELLS),
            shape,
            _floats(tensors, "low", 3),
            _floats(tensors, "per_metre", 3),
            step_m,
            absorption,
        )
        layers = (tensors[f"network.{name}"] for name in Network._fields)
        network = Network(*(np.array(layer, np.float32) for layer in layers))
        return cls(grid, network, np.array(tensors["sky"], np.float32), float(near_m), threads)


def _floats(tensors: dict[str, NDArray[np.generic]], name: str, *shape: int) -> Floats:
    return np.array(tensors[name], np.float32).reshape(shape)
