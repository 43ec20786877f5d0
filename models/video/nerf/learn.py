"""Compiled: a batch of pixels, their loss and its gradients, and Adam on what they touched."""

import math

import numpy as np

from models.video.nerf.arrays import DENSEST, FEATURES, FULL, HIDDEN, SPARSEST
from models.video.nerf.kernels import kernel, piece
from models.video.nerf.march import march, march_back, new_tape, shade
from models.video.nerf.optics import HALF, ONE, TWO, ZERO, backward, f32, span, unit_random

LOWEST, HIGHEST = f32(SPARSEST), f32(DENSEST)
SMALLEST = f32(1 / FULL)


@piece
def aim(pinholes, view, x, y, tape):
    """Put the ray through a point of a view's picture, in pixels, on the tape."""
    pose = pinholes.pose[view]
    across = (x - pinholes.centre_px[view, 0]) / pinholes.focal_px[view, 0]
    down = (y - pinholes.centre_px[view, 1]) / pinholes.focal_px[view, 1]
    norm = ONE / math.sqrt(across * across + down * down + ONE)
    for a in range(3):
        tape.origin[a] = pose[a, 3]
        tape.direction[a] = (pose[a, 0] * across - pose[a, 1] * down - pose[a, 2]) * norm


@kernel
def learn_shard(batch, first, stride, draw, pinholes, grid, net, sky, rates, rays, grad):
    """Add up the loss and its gradients over the pixels `first`, `first + stride`, ... of a batch.

    The loss is the mean squared error of colour, plus `rates[0]` times that of opacity. A pixel's
    colour is the mean over `rays * rays` rays through its own squares, as a sensor's would be.

    Args:
        batch: Flat indices of pixels.
        first: Which pixels belong to this shard.
        stride: See `first`.
        draw: Number of the batch; the random numbers follow from it and the pixel.
        pinholes: The views.
        grid: The voxels.
        net: The network.
        sky: What lies behind.
        rates: `(2,)` weight of the opacity's error; nearest distance of a sample, metres.
        rays: Per side of a pixel.
        grad: Receives the sums.
    """
    height, width = pinholes.pixels.shape[1], pinholes.pixels.shape[2]
    count = rays * rays
    tapes = [new_tape() for _ in range(count)]
    taken = np.empty(count, np.int64)
    g_total, g_out = np.empty(FEATURES, np.float32), np.empty(3, np.float32)
    g_color = np.empty(3, np.float32)
    g1, g2 = np.empty(HIDDEN, np.float32), np.empty(HIDDEN, np.float32)
    size, part = f32(len(batch)), ONE / f32(count)
    for number in range(first, len(batch), stride):
        pixel = batch[number]
        view, rest = pixel // (height * width), pixel % (height * width)
        row, column = rest // width, rest % width
        color, left = np.zeros(3, np.float32), ZERO
        for r in range(count):
            tape = tapes[r]
            key = (np.int64(draw) * len(batch) + number) * (3 * count) + 3 * r
            dx, dy = HALF, HALF
            if rays > 1:
                dx = (f32(r % rays) + unit_random(key)) / f32(rays)
                dy = (f32(r // rays) + unit_random(key + 1)) / f32(rays)
            aim(pinholes, view, f32(column) + dx, f32(row) + dy, tape)
            taken[r] = march(grid, tape, rates[1], unit_random(key + 2))
            shade(net, sky, tape)
            for a in range(3):
                color[a] += tape.color[a] * part
            left += tape.measure[0] * part
        alpha = f32(pinholes.pixels[view, row, column, 3]) * SMALLEST
        off = left - (ONE - alpha)
        g_left = rates[0] * TWO * off / size
        grad.loss[1] += off * off
        for a in range(3):
            truth = f32(pinholes.pixels[view, row, column, a]) * SMALLEST
            wrong = color[a] - (truth * alpha + tapes[0].behind[a] * (ONE - alpha))
            g_color[a] = TWO * wrong / (f32(3) * size)
            grad.loss[0] += wrong * wrong
        for r in range(count):
            tape = tapes[r]
            grad.loss[2] += taken[r]
            light = tape.measure[0]
            g_light = g_left * part
            for a in range(3):
                g = g_color[a] * part
                g_light += g * (tape.behind[a] - tape.out[a])
                g_out[a] = g * (ONE - light) * (ONE - tape.out[a] * tape.out[a])
                for p in range(4):
                    at = tape.at[p]
                    columns = sky.shape[1]
                    grad.sky[at // columns, at % columns, a] += (
                        g * (light - (ONE - alpha)) * tape.sky_share[p]
                    )
            if taken[r] == 0:
                continue
            backward(net, grad.network, tape.inputs, tape.h1, tape.h2, g_out, g1, g2, g_total)
            for a in range(3):
                g_total[a] += g_color[a] * part
            march_back(grid, tape, taken[r], g_total, g_light, grad)


@kernel
def adam_shard(start, stop, grid, sums, moments, visible, rate):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) on the voxels `start` to `stop` that were touched.

    The shards' sums are added in their order and cleared.

    Args:
        start: First voxel.
        stop: After the last voxel.
        grid: Changed in place.
        sums: Gradients of density `(shards, N)` and of features `(shards, N, FEATURES)`, and
            `seen (shards, N)`.
        moments: Mean and mean square of density, then of the features.
        visible: `(N,)` largest `seen` so far; raised.
        rate: Of learning.
    """
    b1, b2, eps = f32(0.9), f32(0.99), f32(1e-9)
    density, feature = grid.density, grid.feature
    grad_d, grad_f, touched = sums
    mean_d, square_d, mean_f, square_f = moments
    shards = len(touched)
    for n in range(start, stop):
        seen = touched[0, n]
        for s in range(1, shards):
            seen = max(seen, touched[s, n])
        if seen == 0:
            continue
        visible[n] = max(visible[n], seen)
        for s in range(1, shards):
            if touched[s, n] > 0:
                grad_d[0, n] += grad_d[s, n]
                grad_d[s, n] = ZERO
                for c in range(FEATURES):
                    grad_f[0, n, c] += grad_f[s, n, c]
                    grad_f[s, n, c] = ZERO
                touched[s, n] = 0
        touched[0, n] = 0
        slope = grad_d[0, n]
        grad_d[0, n] = ZERO
        m = b1 * mean_d[n] + (ONE - b1) * slope
        v = b2 * square_d[n] + (ONE - b2) * slope * slope
        mean_d[n], square_d[n] = m, v
        value = density[n] - rate * m / (math.sqrt(v) + eps)
        density[n] = min(max(value, LOWEST), HIGHEST)
        for c in range(FEATURES):
            slope = grad_f[0, n, c]
            grad_f[0, n, c] = ZERO
            m = b1 * mean_f[n, c] + (ONE - b1) * slope
            v = b2 * square_f[n, c] + (ONE - b2) * slope * slope
            mean_f[n, c], square_f[n, c] = m, v
            value = feature[n, c] - rate * f32(0.25) * m / (math.sqrt(v) + eps)
            feature[n, c] = min(max(value, ZERO), ONE)


@kernel
def hits_shard(start, stop, pinholes, grid, near_m, found):
    """Mark the pixels `start` to `stop` whose ray meets a cell that is not empty."""
    height, width = pinholes.pixels.shape[1], pinholes.pixels.shape[2]
    tape = new_tape()
    for pixel in range(start, stop):
        view, rest = pixel // (height * width), pixel % (height * width)
        aim(pinholes, view, f32(rest % width) + HALF, f32(rest // width) + HALF, tape)
        found[pixel] = meets(grid, tape, near_m)


@piece
def meets(grid, tape, near_m):
    """Whether the ray on the tape meets a cell that is not empty."""
    from_m, to_m = span(grid, tape.origin, tape.direction, tape.start, tape.slope, near_m)
    fastest = max(abs(tape.slope[0]), abs(tape.slope[1]), abs(tape.slope[2]))
    t = from_m
    while t < to_m:
        i = min(max(int(tape.start[0] + t * tape.slope[0]), 0), grid.shape[0] - 2)
        j = min(max(int(tape.start[1] + t * tape.slope[1]), 0), grid.shape[1] - 2)
        k = min(max(int(tape.start[2] + t * tape.slope[2]), 0), grid.shape[2] - 2)
        far = grid.leap[i, j, k]
        if far == 0:
            return True
        t += max(grid.step_m, f32(far - 1) / fastest)
    return False
