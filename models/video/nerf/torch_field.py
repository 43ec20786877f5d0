"""The field in torch, for GPUs: the same samples, network and sky as the compiled kernels."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.video.camera import Camera
from models.video.nerf.arrays import DENSITY_SHIFT, FEATURES, Floats, Grid, Network
from models.video.nerf.field import VoxelField
from models.video.nerf.frame import Frame
from models.video.nerf.sampling import mean_frame, rays_across

OPAQUE = 1e-3
"""As in the kernels: what lies behind is not seen."""
RAYS_AT_ONCE = 1 << 16


class Seen(NamedTuple):
    """What rays see.

    Attributes:
        color: `(n, 3)`.
        light: `(n,)` that passes everything.
        depth: `(n,)` metres.
        cells: `(m,)` flat cells of all samples.
        weights: `(m,)` of the samples.
    """

    color: Tensor
    light: Tensor
    depth: Tensor
    cells: Tensor
    weights: Tensor


@dataclass(eq=False)
class TorchField:
    """See `Field`.

    Attributes:
        geometry: Shape, box, step and absorption; its voxels are not used.
        volume: `(1, 1 + FEATURES, g0, g1, g2)` density and features.
        filled: `(g0 - 1, g1 - 1, g2 - 1)` cells that are not empty.
        network: `w1, b1, w2, b2, w3, b3` as in `Network`.
        sky: `(rows, columns, 3)`.
        near_m: Nothing nearer to the eye is seen.
    """

    geometry: Grid
    volume: Tensor
    filled: Tensor
    network: list[Tensor]
    sky: Tensor
    near_m: float

    @classmethod
    def of(cls, field: VoxelField, device: str) -> "TorchField":
        """The same field on a device."""
        shape = tuple(int(n) for n in field.grid.shape)
        density = torch.from_numpy(field.grid.density).reshape(1, *shape)
        feature = torch.from_numpy(field.grid.feature).reshape(*shape, FEATURES).permute(3, 0, 1, 2)
        return cls(
            field.grid,
            torch.cat([density, feature])[None].contiguous().to(device),
            torch.from_numpy(field.grid.leap == 0).to(device),
            [torch.from_numpy(part).to(device) for part in field.network],
            torch.from_numpy(field.sky).to(device),
            field.near_m,
        )

    def plain(self) -> VoxelField:
        """The same field for the compiled kernels."""
        volume = self.volume.detach().cpu()[0]
        empty = (~self.filled).cpu().numpy().astype(np.uint8)
        grid = self.geometry._replace(
            density=volume[0].reshape(-1).numpy().copy(),
            feature=volume[1:].permute(1, 2, 3, 0).reshape(-1, FEATURES).contiguous().numpy(),
            leap=empty,
        )
        network = Network(*(part.detach().cpu().numpy() for part in self.network))
        field = VoxelField(grid, network, self.sky.detach().cpu().numpy(), self.near_m)
        return VoxelField.of(field.tensors())

    @torch.no_grad()
    def render(self, camera: Camera, rows: range) -> Frame:
        """See `Field`."""

        def draw(right: float, down: float) -> Frame:
            origins, directions = camera.rays(rows, right, down)
            shape = directions.shape
            parts = [self._drawn(o, d) for o, d in _chunks(origins, directions)]
            rgb, alpha, depth = (np.concatenate(each) for each in zip(*parts, strict=True))
            return Frame(rgb.reshape(shape), alpha.reshape(shape[:2]), depth.reshape(shape[:2]))

        return mean_frame(rays_across(self.geometry, camera), draw)

    def _drawn(self, origins: Floats, directions: Floats) -> tuple[Floats, Floats, Floats]:
        o, d = (torch.from_numpy(part).to(self.volume.device) for part in (origins, directions))
        seen = self.look(o, d, torch.full((len(o),), 0.5, device=o.device))
        alpha = 1 - seen.light
        depth = torch.where(alpha > 1e-3, seen.depth, torch.zeros_like(alpha))
        rgb = seen.color.clamp(0, 1)
        return rgb.cpu().numpy(), alpha.cpu().numpy(), depth.cpu().numpy()

    def look(self, origins: Tensor, directions: Tensor, phase: Tensor) -> Seen:
        """Follow rays `(n, 3)`; their samples start `phase (n,)` of a step into the box."""
        grid, device = self.geometry, origins.device
        low, per_metre = (torch.from_numpy(a).to(device) for a in (grid.low, grid.per_metre))
        size = torch.from_numpy(grid.shape - 1).to(device)
        step, near = float(grid.step_m), self.near_m
        safe = torch.where(directions.abs() < 1e-7, torch.full_like(directions, 1e-7), directions)
        start, slope = (origins - low) * per_metre, safe * per_metre
        first, last = -start / slope, (size - start) / slope
        enter = torch.minimum(first, last).amax(-1).clamp_min(near)
        leave = torch.maximum(first, last).amin(-1)
        steps = int(((leave - enter).amax() / step).clamp_min(0).item()) + 2
        t = enter[:, None] + step * (phase[:, None] + torch.arange(steps, device=device))  # (n, S)
        points = start[:, None] + t[..., None] * slope[:, None]  # (n, S, 3)
        cell = torch.minimum(points.long().clamp_min(0), size - 1)
        flat = (cell[..., 0] * size[1] + cell[..., 1]) * size[2] + cell[..., 2]  # (n, S)
        some = (t < leave[:, None]) & self.filled.reshape(-1)[flat]
        where = (points[some] / size * 2 - 1).flip(-1)  # (m, 3), last axis first
        values = torch.nn.functional.grid_sample(
            self.volume, where[None, None, None], mode="bilinear", align_corners=True,
            padding_mode="border",
        )[0, :, 0, 0].T  # (m, 1 + FEATURES)  # fmt: skip
        thickness = torch.nn.functional.softplus(values[:, 0] + DENSITY_SHIFT)
        depths = torch.zeros_like(t).masked_scatter(some, thickness * float(grid.absorption) * step)
        reached = torch.exp(-(torch.cumsum(depths, 1) - depths))  # light before each sample
        # A ray ends behind the sample that leaves less than OPAQUE.
        weight = torch.where(reached < OPAQUE, 0.0, reached * (1 - torch.exp(-depths)))
        light = torch.where(reached < OPAQUE, torch.inf, reached * torch.exp(-depths)).amin(1)
        kept = weight[some]
        ray = torch.arange(len(t), device=device)[:, None].expand_as(t)[some]
        blank = torch.zeros(len(t), FEATURES, device=device)
        total = blank.index_add(0, ray, kept[:, None] * values[:, 1:])
        depth = (weight * t).sum(1) / (1 - light).clamp_min(1e-6)
        color = self._shaded(total, light, directions)
        return Seen(color, light, depth, flat[some], kept.detach())

    def _shaded(self, total: Tensor, light: Tensor, directions: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3 = self.network
        hidden = torch.relu(torch.cat([total, harmonics(directions)], -1) @ w1 + b1)
        tint = torch.tanh(torch.relu(hidden @ w2 + b2) @ w3 + b3)
        left = light[:, None]
        return total[:, :3] + left * self.behind(directions) + tint * (1 - left)

    def behind(self, directions: Tensor) -> Tensor:
        """Colours of the sky `(n, 3)`."""
        rows, columns = self.sky.shape[:2]
        if rows == 1:
            return self.sky[0, 0].expand(len(directions), 3)
        x, y, z = directions.unbind(-1)
        u = torch.atan2(y, x) * (0.5 / torch.pi) * columns - 0.5
        v = torch.acos(z.clamp(-1, 1)) / torch.pi * rows - 0.5
        i, j = v.floor().long(), u.floor().long()
        p, q = (v - i)[:, None], (u - j)[:, None]
        top, bottom = i.clamp(0, rows - 1), (i + 1).clamp(0, rows - 1)
        left, right = j % columns, (j + 1) % columns
        upper = self.sky[top, left] * (1 - q) + self.sky[top, right] * q
        lower = self.sky[bottom, left] * (1 - q) + self.sky[bottom, right] * q
        return upper * (1 - p) + lower * p


def harmonics(directions: Tensor) -> Tensor:
    """`(n, 15)`, the same as in the kernels."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack(
        [
            x, y, z, 2 * x * y, 2 * y * z, 2 * x * z, 1.5 * zz - 0.5, xx - yy,
            y * (3 * xx - yy), 4 * x * y * z, y * (5 * zz - 1), z * (2.5 * zz - 1.5),
            x * (5 * zz - 1), 2 * z * (xx - yy), x * (xx - 3 * yy),
        ],
        -1,
    )  # fmt: skip


def _chunks(origins: Floats, directions: Floats) -> list[tuple[Floats, Floats]]:
    flat = [np.ascontiguousarray(part).reshape(-1, 3) for part in (origins, directions)]
    starts = range(0, len(flat[0]), RAYS_AT_ONCE)
    return [(flat[0][s : s + RAYS_AT_ONCE], flat[1][s : s + RAYS_AT_ONCE]) for s in starts]
