"""Fitting in torch, for GPUs: the same loss, growth and pruning as on the CPU."""

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.video.nerf.arrays import DENSEST, DENSITY_SHIFT, FULL, SPARSEST, fresh_network
from models.video.nerf.hull import box_of, cells_in_hull
from models.video.nerf.learner import NEAR_OF_BOX, sky_of
from models.video.nerf.score import held_out_scores
from models.video.nerf.settings import FitSettings
from models.video.nerf.torch_field import TorchField
from models.video.nerf.views import Views
from models.video.nerf.volume import new_grid

if TYPE_CHECKING:
    from models.core.capability import Run

FIRST_DECAY, SECOND_DECAY, SMALL = 0.9, 0.99, 1e-9
REPORT_EVERY = 20


class TorchLearner:
    """A field while it is fitted on a device; see `Learner` for what the parts mean."""

    _mean: Tensor
    _square: Tensor

    def __init__(self, views: Views, settings: FitSettings, device: str) -> None:
        self._views, self._settings, self._device = views, settings, device
        self._box = box_of(views)
        pinholes = views.pinholes()
        self._pixels = torch.from_numpy(pinholes.pixels.astype(np.int32)).to(device)
        self._pose = torch.from_numpy(pinholes.pose).to(device)
        self._focal = torch.from_numpy(pinholes.focal_px).to(device)
        self._centre = torch.from_numpy(pinholes.centre_px).to(device)
        self._random = torch.Generator(device).manual_seed(settings.seed)
        sky, learns_sky = sky_of(views)
        geometry = new_grid(self._box, settings.voxels // 4)
        count = 1 + geometry.feature.shape[1]
        volume = torch.full((1, count, *map(int, geometry.shape)), 0.5, device=device)
        volume[:, 0] = 0
        network = [torch.from_numpy(part).to(device) for part in fresh_network(settings.seed)]
        self.field = TorchField(
            geometry, volume, torch.zeros(1), network, torch.from_numpy(sky).to(device),
            float(NEAR_OF_BOX * self._box.extent.max()),
        )  # fmt: skip
        dense = [*network, self.field.sky] if learns_sky else network
        self._dense = torch.optim.Adam([part.requires_grad_() for part in dense])
        self.iteration = 0
        self._renew()
        self._hull = self._carved()
        self.field.filled = self._hull.clone()

    def step(self) -> None:
        """Learn from one batch, after growing or pruning if it is time."""
        settings, field = self._settings, self.field
        self._grow_or_prune()
        count = self._pixels.shape[0] * self._pixels.shape[1] * self._pixels.shape[2]
        batch = torch.randint(count, (settings.batch,), generator=self._random, device=self._device)
        loss = self._loss(batch)
        done = self.iteration / settings.iterations
        self._dense.param_groups[0]["lr"] = settings.network_rate * 0.1**done
        self._dense.zero_grad()
        field.volume.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self._dense.step()
        self._improve(settings.rate * settings.last_rate**done)
        self.iteration += 1

    def _loss(self, batch: Tensor) -> Tensor:
        """Error of colour and of opacity, each pixel the mean of the rays through its squares."""
        settings, per_pixel = self._settings, self._settings.rays**2
        height, width = self._pixels.shape[1:3]
        view, rest = batch // (height * width), batch % (height * width)
        row, column = rest // width, rest % width
        corner = torch.arange(per_pixel, device=self._device)
        spread = torch.rand(len(batch), per_pixel, 3, generator=self._random, device=self._device)
        if settings.rays == 1:
            spread[..., :2] = 0.5
        x = column[:, None] + (corner % settings.rays + spread[..., 0]) / settings.rays
        y = row[:, None] + (corner // settings.rays + spread[..., 1]) / settings.rays
        across = (x - self._centre[view, :1]) / self._focal[view, :1]
        down = (y - self._centre[view, 1:]) / self._focal[view, 1:]
        local = torch.stack([across, -down, -torch.ones_like(across)], -1)  # (B, R, 3)
        turned = torch.einsum("bij,brj->bri", self._pose[view, :, :3], local)
        directions = torch.nn.functional.normalize(turned, dim=-1).reshape(-1, 3)
        origins = self._pose[view, :, 3].repeat_interleave(per_pixel, 0)
        seen = self.field.look(origins, directions, spread[..., 2].reshape(-1))
        self._visible.scatter_reduce_(0, seen.cells, seen.weights, "amax")
        color = seen.color.reshape(len(batch), per_pixel, 3).mean(1)
        light = seen.light.reshape(len(batch), per_pixel).mean(1)
        rgba = self._pixels[view, row, column] / FULL
        alpha = rgba[:, 3:]
        behind = self.field.behind(directions[::per_pixel])
        wanted = rgba[:, :3] * alpha + behind * (1 - alpha)
        masks = 0.0 if self._views.opaque else settings.opacity
        wrong = ((color - wanted) ** 2).mean()
        return wrong + masks * ((light - (1 - alpha[:, 0])) ** 2).mean()

    @torch.no_grad()
    def _improve(self, rate: float) -> None:
        """Adam on the voxels that samples touched."""
        gradient = self.field.volume.grad
        if gradient is None:
            return
        touched = (gradient != 0).any(1, keepdim=True)
        mean = torch.lerp(gradient, self._mean, FIRST_DECAY)
        square = torch.lerp(gradient * gradient, self._square, SECOND_DECAY)
        self._mean = torch.where(touched, mean, self._mean)
        self._square = torch.where(touched, square, self._square)
        change = rate * mean / (square.sqrt() + SMALL)
        change[:, 1:] *= 0.25
        volume = self.field.volume
        volume -= torch.where(touched, change, torch.zeros_like(change))
        volume[:, 0].clamp_(SPARSEST, DENSEST)
        volume[:, 1:].clamp_(0, 1)

    def _renew(self) -> None:
        volume = self.field.volume
        volume.requires_grad_()
        self._mean = torch.zeros_like(volume)
        self._square = torch.zeros_like(volume)
        cells = int((self.field.geometry.shape - 1).prod())
        self._visible = torch.zeros(cells, device=self._device)

    def _carved(self) -> Tensor:
        a, b, c = (int(n) - 1 for n in self.field.geometry.shape)
        return torch.from_numpy(cells_in_hull(self._views, self._box, (a, b, c))).to(self._device)

    @torch.no_grad()
    def _grow_or_prune(self) -> None:
        settings, number, field = self._settings, self.iteration, self.field
        voxels = settings.growth().get(number)
        if voxels is not None:
            field.geometry = new_grid(self._box, voxels)
            size = tuple(int(n) for n in field.geometry.shape)
            field.volume = torch.nn.functional.interpolate(
                field.volume.detach(), size=size, mode="trilinear", align_corners=True
            ).contiguous()
            self._renew()
            self._hull = self._carved()
            field.filled = self._hull & self._dense_cells()
        elif number and number % settings.prune_every == 0:
            field.filled = self._hull & self._dense_cells()
            if number > settings.prune_from * settings.iterations:
                bright = self._visible.reshape(self._hull.shape) * 254 + 1 > settings.dimmest
                field.filled &= _pooled(bright, 3, 1)
                self._visible.zero_()

    def _dense_cells(self) -> Tensor:
        geometry = self.field.geometry
        raw = torch.nn.functional.softplus(self.field.volume[0, 0] + DENSITY_SHIFT)
        alpha = 1 - torch.exp(-raw * float(geometry.absorption) * float(geometry.step_m))
        return _pooled(alpha > self._settings.emptiest, 2, 0)


def _pooled(cells: Tensor, size: int, padding: int) -> Tensor:
    return torch.nn.functional.max_pool3d(cells.float()[None, None], size, 1, padding)[0, 0] > 0


def fit_in_torch(
    views: Views, settings: FitSettings, run: "Run", device: str
) -> tuple[TorchField, float, float, float]:
    """Fit a field on a device.

    Returns:
        The field, its held-out PSNR in dB, its held-out SSIM, and the seconds of the fit.

    Raises:
        Cancelled: Nobody waits for the field.
        InvalidInput: The views cannot be used.
    """
    started = time.perf_counter()
    learner = TorchLearner(views, settings, device)
    while learner.iteration < settings.iterations:
        run.check()
        learner.step()
        if learner.iteration % REPORT_EVERY == 0:
            run.progress(learner.iteration / settings.iterations, "fit")
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    psnr, similarity = held_out_scores(learner.field, views, np.ones(3, np.float32), run)
    return learner.field, psnr, similarity, seconds
