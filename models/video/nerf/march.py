"""Compiled: a ray through the voxels, forward with every sample kept, and back."""

import math
from typing import NamedTuple

import numpy as np

from models.video.nerf.arrays import FEATURES, HIDDEN, INPUTS, Floats
from models.video.nerf.kernels import piece
from models.video.nerf.optics import (
    ONE,
    SHIFT,
    ZERO,
    f32,
    forward,
    harmonics,
    sky_texel,
    softplus,
    span,
)

MAX_SAMPLES = 1024
FAINT = f32(1e-4)
"""Samples of less weight have no colour."""
OPAQUE = f32(1e-3)
"""A ray ends when less light than this would pass."""


class Tape(NamedTuple):
    """Samples of one ray, in order, and what was made of them.

    Attributes:
        voxel: `(MAX_SAMPLES,)` flat index of the lowest corner.
        share: `(MAX_SAMPLES, 8)` trilinear shares of the corners.
        raw: `(MAX_SAMPLES,)` density before the softplus.
        alpha: `(MAX_SAMPLES,)` opacity.
        weight: `(MAX_SAMPLES,)` opacity times the light that reaches the sample.
        feature: `(MAX_SAMPLES, FEATURES)` before the squashing.
        total: `(FEATURES,)` the features that the eye receives.
        inputs: `(INPUTS,)` of the network; so are `h1`, `h2` its layers and `out` its answer.
        start: `(3,)`; so are `slope`, `origin` and `direction` of the ray.
        at: `(4,)` texels of the sky.
        sky_share: `(4,)` their shares.
        behind: `(3,)` colour of the sky there.
        color: `(3,)` of the ray.
        measure: `(2,)` light that passes everything, and mean depth in metres.
    """

    voxel: np.ndarray
    share: Floats
    raw: Floats
    alpha: Floats
    weight: Floats
    feature: Floats
    total: Floats
    inputs: Floats
    h1: Floats
    h2: Floats
    out: Floats
    start: Floats
    slope: Floats
    origin: Floats
    direction: Floats
    at: np.ndarray
    sky_share: Floats
    behind: Floats
    color: Floats
    measure: Floats


@piece
def new_tape():
    """An empty tape."""
    return Tape(
        np.empty(MAX_SAMPLES, np.int64),
        np.empty((MAX_SAMPLES, 8), np.float32),
        np.empty(MAX_SAMPLES, np.float32),
        np.empty(MAX_SAMPLES, np.float32),
        np.empty(MAX_SAMPLES, np.float32),
        np.empty((MAX_SAMPLES, FEATURES), np.float32),
        np.empty(FEATURES, np.float32),
        np.empty(INPUTS, np.float32),
        np.empty(HIDDEN, np.float32),
        np.empty(HIDDEN, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(4, np.int64),
        np.empty(4, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(2, np.float32),
    )


@piece
def march(grid, tape, near_m, phase):
    """Sample the ray on the tape; returns how many samples it took.

    The features are accumulated along the ray, `total = sum_i w_i squashed(f_i)` (deferred
    shading, Hedman et al. 2021, arXiv:2103.14645), with the density shift of a dense grid
    (Sun et al. 2022, arXiv:2111.11215).
    """
    g0, g1, g2 = grid.shape[0], grid.shape[1], grid.shape[2]
    enter, leave = span(grid, tape.origin, tape.direction, tape.start, tape.slope, near_m)
    fastest = max(abs(tape.slope[0]), abs(tape.slope[1]), abs(tape.slope[2]))
    cells_a_step = fastest * grid.step_m
    thickness = grid.absorption * grid.step_m
    for c in range(FEATURES):
        tape.total[c] = ZERO
    light, depth, count = ONE, ZERO, 0
    t = enter + grid.step_m * phase
    while t < leave and count < MAX_SAMPLES:
        x = tape.start[0] + t * tape.slope[0]
        y = tape.start[1] + t * tape.slope[1]
        z = tape.start[2] + t * tape.slope[2]
        i = min(max(int(x), 0), g0 - 2)
        j = min(max(int(y), 0), g1 - 2)
        k = min(max(int(z), 0), g2 - 2)
        far = grid.leap[i, j, k]
        if far > 0:
            t += grid.step_m * max(ONE, f32(math.floor(f32(far - 1) / cells_a_step)))
            continue
        here = t
        t += grid.step_m
        u, v, w = x - f32(i), y - f32(j), z - f32(k)
        base = (i * g1 + j) * g2 + k
        share = tape.share[count]
        share[0] = (ONE - u) * (ONE - v) * (ONE - w)
        share[1] = (ONE - u) * (ONE - v) * w
        share[2] = (ONE - u) * v * (ONE - w)
        share[3] = (ONE - u) * v * w
        share[4] = u * (ONE - v) * (ONE - w)
        share[5] = u * (ONE - v) * w
        share[6] = u * v * (ONE - w)
        share[7] = u * v * w
        across, along = g2, g1 * g2
        density = grid.density
        raw = (
            share[0] * density[base]
            + share[1] * density[base + 1]
            + share[2] * density[base + across]
            + share[3] * density[base + across + 1]
            + share[4] * density[base + along]
            + share[5] * density[base + along + 1]
            + share[6] * density[base + along + across]
            + share[7] * density[base + along + across + 1]
        )
        alpha = ONE - f32(math.exp(-softplus(raw + SHIFT) * thickness))
        weight = light * alpha
        tape.voxel[count], tape.raw[count] = base, raw
        tape.alpha[count], tape.weight[count] = alpha, weight
        if weight > FAINT:
            feature = tape.feature[count]
            for c in range(FEATURES):
                feature[c] = ZERO
            for p in range(8):
                voxel = base + (p >> 2) * along + ((p >> 1) & 1) * across + (p & 1)
                for c in range(FEATURES):
                    feature[c] += share[p] * grid.feature[voxel, c]
            for c in range(FEATURES):
                tape.total[c] += weight * feature[c]
            depth += weight * here
        count += 1
        light *= ONE - alpha
        if light < OPAQUE:
            break
    tape.measure[0] = light
    tape.measure[1] = depth / max(ONE - light, f32(1e-6))
    return count


@piece
def shade(net, sky, tape):
    """Colour of the marched ray: diffuse part, what the network adds, and the sky behind."""
    light = tape.measure[0]
    x, y, z = tape.direction[0], tape.direction[1], tape.direction[2]
    for c in range(FEATURES):
        tape.inputs[c] = tape.total[c]
    harmonics(x, y, z, tape.inputs, FEATURES)
    forward(net, tape.inputs, tape.h1, tape.h2, tape.out)
    sky_texel(sky, x, y, z, tape.at, tape.sky_share)
    columns = sky.shape[1]
    for a in range(3):
        s = ZERO
        for p in range(4):
            s += tape.sky_share[p] * sky[tape.at[p] // columns, tape.at[p] % columns, a]
        tape.behind[a] = s
        tape.out[a] = f32(math.tanh(tape.out[a]))
        tape.color[a] = tape.total[a] + light * s + tape.out[a] * (ONE - light)


@piece
def march_back(grid, tape, count, g_total, g_light, grad):
    """Scatter the gradients of a ray's features and of the light that passes it to the voxels."""
    g1, g2 = grid.shape[1], grid.shape[2]
    across, along = g2, g1 * g2
    back = np.empty(FEATURES, np.float32)
    rest = g_light * tape.measure[0]
    for c in range(FEATURES):
        rest += g_total[c] * tape.total[c]
    light = ONE
    thickness = grid.absorption * grid.step_m
    for n in range(count):
        alpha, weight = tape.alpha[n], tape.weight[n]
        here = ZERO
        visible = weight > FAINT
        if visible:
            for c in range(FEATURES):
                here += g_total[c] * tape.feature[n, c]
                back[c] = g_total[c] * weight
            rest -= weight * here
        slope = (light * (ONE - alpha) * here - rest) * thickness
        slope /= ONE + math.exp(-(tape.raw[n] + SHIFT))
        seen = np.uint8(ONE + weight * f32(254))
        for p in range(8):
            voxel = tape.voxel[n] + (p >> 2) * along + ((p >> 1) & 1) * across + (p & 1)
            share = tape.share[n, p]
            grad.density[voxel] += slope * share
            grad.seen[voxel] = max(grad.seen[voxel], seen)
            if visible:
                for c in range(FEATURES):
                    grad.feature[voxel, c] += back[c] * share
        light *= ONE - alpha
