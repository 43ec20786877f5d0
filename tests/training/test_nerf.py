"""Radiance fields against a plain reference; compiling the kernels takes most of the time."""

import functools

import numpy as np
import pytest
import torch

from models.core.capability import Run
from models.core.errors import Cancelled, InvalidInput
from models.video.camera import Camera, look_at
from models.video.nerf.arrays import (
    DENSITY_SHIFT,
    FEATURES,
    Gradients,
    Network,
    fresh_network,
)
from models.video.nerf.baked import BakedField, bake
from models.video.nerf.field import VoxelField
from models.video.nerf.fitting import Fitted, fit
from models.video.nerf.hull import Box
from models.video.nerf.score import held_out_scores, psnr_db
from models.video.nerf.settings import FitSettings
from models.video.nerf.torch_field import TorchField
from models.video.nerf.torch_fit import fit_in_torch
from models.video.nerf.volume import new_grid
from tests.unit.video.scenes import BALLS, balls_views

SETTINGS = FitSettings(iterations=150, voxels=48, batch=512, keep_every=40)


@functools.cache
def fitted() -> Fitted:
    return fit(balls_views(), SETTINGS, Run())


def reference(grid_shape, low, per_metre, step, absorption, density, feature, net, sky, rays):
    """What the kernels compute, in differentiable torch, for rays `(o, d, phase)`."""
    o, d, phase, near = rays
    size = torch.tensor(grid_shape) - 1
    start, slope = (o - low) * per_metre, d * per_metre
    a, b = -start / slope, (size - start) / slope
    enter = torch.maximum(torch.minimum(a, b).max(-1).values, torch.tensor(near))
    leave = torch.maximum(a, b).min(-1).values
    steps = torch.arange(400)
    t = enter[:, None] + step * (phase[:, None] + steps)
    inside = t < leave[:, None]
    points = start[:, None] + t[..., None] * slope[:, None]
    cell = points.long().clamp(torch.zeros(3).long(), size - 1)
    part = points - cell
    raw, values = 0, 0
    for corner in range(8):
        bits = torch.tensor([corner >> 2, (corner >> 1) & 1, corner & 1])
        share = torch.where(bits > 0, part, 1 - part).prod(-1)
        i, j, k = (cell + bits).unbind(-1)
        raw = raw + share * density[i, j, k]
        values = values + share[..., None] * feature[i, j, k]
    alpha = 1 - torch.exp(-torch.nn.functional.softplus(raw + DENSITY_SHIFT) * absorption * step)
    alpha = torch.where(inside, alpha, torch.zeros(()))
    light = torch.cumprod(torch.cat([torch.ones(len(o), 1), 1 - alpha], 1), 1)
    total = ((light[:, :-1] * alpha)[..., None] * values).sum(1)
    left = light[:, -1]
    x, y, z = d.unbind(-1)
    angles = [
        x, y, z, 2 * x * y, 2 * y * z, 2 * x * z, 1.5 * z * z - 0.5, x * x - y * y,
        y * (3 * x * x - y * y), 4 * x * y * z, y * (5 * z * z - 1), z * (2.5 * z * z - 1.5),
        x * (5 * z * z - 1), 2 * z * (x * x - y * y), x * (x * x - 3 * y * y),
    ]  # fmt: skip
    hidden = torch.relu(torch.cat([total, torch.stack(angles, -1)], -1) @ net.w1 + net.b1)
    hidden = torch.relu(hidden @ net.w2 + net.b2)
    tint = torch.tanh(hidden @ net.w3 + net.b3)
    color = total[:, :3] + left[:, None] * sky[0, 0] + tint * (1 - left[:, None])
    return color, left


def test_gradients_are_those_of_a_plain_reference():
    from models.video.nerf.learn import learn_shard  # noqa: PLC0415

    random = np.random.default_rng(1)
    views = balls_views(10, 16)
    pinholes = views.pinholes()
    box = Box(np.float32([-0.9, -0.7, -0.1]), np.float32([0.9, 0.7, 0.9]))
    grid = new_grid(box, 12)
    count = len(grid.density)
    # Thin enough for every ray to come through: none ends early, as the reference's do not.
    grid.density[:] = random.uniform(-1, 2.5, count)
    grid.feature[:] = random.uniform(0, 1, (count, FEATURES))
    random_net = fresh_network(3)
    random_net.w3[:] = random.normal(0, 0.3, random_net.w3.shape)
    sky = np.float32([[[0.9, 0.6, 0.3]]])
    grad = Gradients(
        np.zeros(count, np.float32), np.zeros((count, FEATURES), np.float32),
        np.zeros(count, np.uint8), Network(*(np.zeros_like(part) for part in random_net)), np.zeros_like(sky), np.zeros(3),
    )  # fmt: skip
    pixels = random.permutation(pinholes.pixels[..., 0].size)[:200].astype(np.int64)
    learn_shard(pixels, 0, 1, 7, pinholes, grid, random_net, sky, np.float32([0.1, 0.05]), 1, grad)

    leaves = [torch.tensor(p, requires_grad=True) for p in (
        grid.density.reshape(tuple(grid.shape)),
        grid.feature.reshape(*tuple(grid.shape), FEATURES), *random_net, sky,
    )]  # fmt: skip
    density, feature, *layers, behind = leaves
    view, rest = pixels // 256, pixels % 256
    ways = np.stack([views.cameras[i].rays(range(16))[1] for i in views.fitted])
    d = torch.tensor(ways.reshape(-1, 256, 3)[view, rest])
    o = torch.tensor(np.stack([views.cameras[i].eye for i in views.fitted])[view])
    rays = (o, d, torch.tensor(phases(7, len(pixels))), 0.05)
    color, left = reference(
        tuple(grid.shape), torch.tensor(grid.low), torch.tensor(grid.per_metre),
        float(grid.step_m), float(grid.absorption), density, feature, Network(*layers), behind, rays,
    )  # fmt: skip
    rgba = torch.tensor(pinholes.pixels.reshape(-1, 256, 4)[view, rest].astype(np.float32) / 65535)
    alpha = rgba[:, 3:]
    wanted = rgba[:, :3] * alpha + behind[0, 0] * (1 - alpha)
    loss = ((color - wanted) ** 2).mean() + 0.1 * ((left - (1 - alpha[:, 0])) ** 2).mean()
    loss.backward()

    ours = (grad.density, grad.feature, *grad.network, grad.sky)
    for leaf, mine in zip(leaves, ours, strict=True):
        truth = leaf.grad.numpy().reshape(mine.shape)
        scale = np.abs(truth).max()
        assert scale > 0
        np.testing.assert_allclose(mine, truth, atol=2e-3 * scale)
    np.testing.assert_allclose(grad.loss[0] / 600, ((color - wanted) ** 2).mean().item(), rtol=1e-4)


def phases(draw: int, count: int) -> np.ndarray:
    """Where in its first step each ray of a batch begins: SplitMix64 of a counter."""
    mask, out = (1 << 64) - 1, []
    for number in range(count):
        z = ((draw * count + number) * 3 + 2) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019 & mask
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        out.append(((z ^ (z >> 31)) >> 32) * 2.3283064e-10)
    return np.array(out, np.float32)


def test_a_field_shows_views_that_it_has_never_seen():
    result = fitted()

    assert result.held_out_psnr_db > 27
    assert result.held_out_ssim > 0.92
    assert result.iterations == SETTINGS.iterations


def test_depth_is_the_distance_to_the_surface():
    camera = Camera(look_at(np.array([3.0, 0.5, 0.4]), BALLS[0][0]), 20, 33, 33)
    frame = fitted().field.render(camera, range(33))

    distance = np.linalg.norm(camera.eye - BALLS[0][0]) - BALLS[0][1]
    assert abs(frame.depth[16, 16] - distance) < 0.06
    assert frame.alpha[16, 16] > 0.98
    assert frame.alpha[0, 0] < 0.02


@pytest.mark.parametrize("threads", [1, 3])
def test_the_field_does_not_depend_on_the_number_of_threads(threads):
    few = FitSettings(iterations=40, voxels=32, batch=256, threads=threads)
    same = FitSettings(iterations=40, voxels=32, batch=256, threads=2)

    assert fit(balls_views(), few, Run()).field.to_bytes() == (
        fit(balls_views(), same, Run()).field.to_bytes()
    )


def test_a_cancelled_fit_goes_on_from_its_checkpoint_to_the_same_field():
    kept, polls = [], iter(range(10_000))
    run = Run(cancelled=lambda: next(polls) >= 70)
    with pytest.raises(Cancelled):
        fit(balls_views(), SETTINGS, run, keep=kept.append)
    resumed = fit(balls_views(), SETTINGS, Run(), resume=kept[-1])

    assert len(kept) == 2
    assert resumed.field.to_bytes() == fitted().field.to_bytes()


def test_a_checkpoint_of_other_views_is_refused():
    kept = []
    fit(
        balls_views(seed=4),
        FitSettings(iterations=20, voxels=32, keep_every=10),
        Run(),
        keep=kept.append,
    )

    with pytest.raises(InvalidInput, match="other views"):
        fit(balls_views(), FitSettings(iterations=20, voxels=32), Run(), resume=kept[0])
    with pytest.raises(InvalidInput):
        fit(balls_views(), FitSettings(iterations=20, voxels=32), Run(), resume=b"no file")


def test_baking_loses_next_to_nothing():
    views, result = balls_views(), fitted()
    baked, _ = held_out_scores(bake(result.field), views, np.ones(3, np.float32), Run())

    assert abs(result.held_out_psnr_db - baked) < 0.1


@pytest.mark.parametrize("block", [1, 2, 4])
def test_interpolated_blocks_show_what_the_field_shows(block):
    baked = BakedField(bake(fitted().field).tensors, block=block)
    camera = Camera(look_at(np.array([1.5, -2.0, 1.5]), np.array([0, 0, 0.3])), 40, 327, 205)
    frame, whole = baked.render(camera, range(205)), fitted().field.render(camera, range(205))

    assert psnr_db(frame.rgb, whole.rgb) > 42
    assert np.abs(frame.alpha - whole.alpha).mean() < 0.01
    assert np.abs((frame.depth - whole.depth)[whole.alpha > 0.99]).mean() < 0.02


def test_strips_make_the_whole_picture():
    field = bake(fitted().field)
    camera = Camera(look_at(np.array([1.5, -2.0, 1.5]), np.array([0, 0, 0.3])), 40, 64, 48)
    whole = field.render(camera, range(48)).rgb
    strips = [field.render(camera, range(top, top + 16)).rgb for top in (0, 16, 32)]

    np.testing.assert_array_equal(np.concatenate(strips), whole)


def test_a_baked_field_sees_all_around():
    pose = np.eye(4)
    pose[:3, 3] = [0, 0, 2]
    camera = Camera(pose, 90, 64, 32, projection="equirectangular")
    one, two = (f.render(camera, range(32)).rgb for f in (bake(fitted().field), fitted().field))

    assert psnr_db(one, two) > 38


def test_fields_survive_their_files():
    field = fitted().field
    baked = bake(field)
    camera = balls_views().cameras[0]
    again = BakedField.from_bytes(baked.to_bytes())

    assert VoxelField.from_bytes(field.to_bytes()).to_bytes() == field.to_bytes()
    assert again.digest == baked.digest
    np.testing.assert_array_equal(
        again.render(camera, range(32)).rgb, baked.render(camera, range(32)).rgb
    )
    with pytest.raises(InvalidInput):
        BakedField.from_bytes(field.to_bytes())
    with pytest.raises(InvalidInput):
        VoxelField.from_bytes(b"\0" * 64)


def test_opaque_pictures_teach_the_sky():
    views = balls_views(20, 32)
    over = np.array(views.images)
    sky = np.float32([0.3, 0.5, 0.8])
    over[..., :3] = over[..., :3] * over[..., 3:] + sky * (1 - over[..., 3:])
    over[..., 3] = 1
    opaque = type(views)(over, views.cameras, views.held_out, "photos")
    result = fit(opaque, FitSettings(iterations=150, voxels=48, batch=1024), Run())

    assert result.held_out_psnr_db > 21


@pytest.mark.parametrize("sky", [False, True])
def test_torch_sees_what_the_kernels_see(sky):
    field = fitted().field
    if sky:
        painted = np.random.default_rng(0).random((8, 16, 3), np.float32)
        field = VoxelField(field.grid, field.network, painted, field.near_m)
    camera = Camera(look_at(np.array([1.5, -2.0, 1.5]), np.array([0, 0, 0.3])), 40, 65, 49)
    twin = TorchField.of(field, "cpu")
    one, two = field.render(camera, range(49)), twin.render(camera, range(49))

    np.testing.assert_allclose(one.rgb, two.rgb, atol=2e-3)
    np.testing.assert_allclose(one.alpha, two.alpha, atol=2e-3)
    np.testing.assert_allclose(one.depth, two.depth, atol=1e-2)
    assert twin.plain().to_bytes() == field.to_bytes()


def test_torch_fits_as_the_kernels_do():
    few = FitSettings(iterations=100, voxels=32, batch=256)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a fit is slower with more
    field, psnr, similarity, _ = fit_in_torch(balls_views(), few, Run(), "cpu")
    torch.set_num_threads(threads)

    assert abs(psnr - fit(balls_views(), few, Run()).held_out_psnr_db) < 1.5
    assert similarity > 0.8
    assert field.plain().grid.density.max() <= 17
