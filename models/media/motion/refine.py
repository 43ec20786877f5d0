"""Compiled: a flow becomes smooth where pictures are, and keeps its edges.

Source: Brox et al. 2004, "High accuracy optical flow estimation based on a theory for warping", with
the normalised data term of Zimmer et al. 2011, and smoothness that yields at edges of the picture.
"""

import math

import numpy as np

from models.media.motion.kernels import kernel, piece
from models.media.motion.sampling import ONE, ZERO, f32, inside, read

SMOOTHNESS = f32(2.0)
OVERRELAXED = f32(1.7)
TINY_DATA, TINY_FLOW = f32(1e-1), f32(1e-2)
"""Below these a difference, and a change of flow, counts as by squares."""
NOISE = f32(1.0)
"""Squared slope, grey levels a sample, of what counts as texture."""
EDGE = f32(12.0)
"""Slope of the picture at which smoothness has yielded to 1/e."""


@kernel
def refine(first, second, flow, rounds, sweeps):
    """Lower the energy of a flow, in place.

    Args:
        first: `(H, W)` luma.
        second: The same of the other picture.
        flow: `(H, W, 2)`.
        rounds: How often the picture is warped anew.
        sweeps: Of over-relaxation in each.
    """
    rows, columns = first.shape
    yy, xx, yx = np.empty_like(first), np.empty_like(first), np.empty_like(first)
    by, bx = np.empty_like(first), np.empty_like(first)
    right, down = np.zeros_like(first), np.zeros_like(first)
    warped = np.empty_like(first)
    step = np.empty((rows, columns, 2), np.float32)
    for _ in range(rounds):
        for row in range(rows):
            for column in range(columns):
                warped[row, column] = read(
                    second, f32(row) + flow[row, column, 0], f32(column) + flow[row, column, 1]
                )
        for row in range(rows):
            for column in range(columns):
                fits(first, warped, flow, row, column, yy, xx, yx, by, bx)
                bends(first, flow, row, column, right, down)
        step[:] = ZERO
        for _ in range(sweeps):
            relax(flow, step, yy, xx, yx, by, bx, right, down)
        for row in range(rows):
            for column in range(columns):
                flow[row, column, 0] += step[row, column, 0]
                flow[row, column, 1] += step[row, column, 1]


@piece
def fits(first, warped, flow, row, column, yy, xx, yx, by, bx):
    """The data term's coefficients at a sample."""
    rows, columns = first.shape
    seen = inside(first.shape, f32(row) + flow[row, column, 0], f32(column) + flow[row, column, 1])
    above, below = max(row - 1, 0), min(row + 1, rows - 1)
    before, after = max(column - 1, 0), min(column + 1, columns - 1)
    gy = f32(0.25) * (
        warped[below, column] - warped[above, column] + first[below, column] - first[above, column]
    )
    gx = f32(0.25) * (
        warped[row, after] - warped[row, before] + first[row, after] - first[row, before]
    )
    off = warped[row, column] - first[row, column]
    weight = ZERO
    if seen:
        share = ONE / (gy * gy + gx * gx + NOISE)
        weight = share / math.sqrt(off * off * share + TINY_DATA * TINY_DATA)
    yy[row, column], xx[row, column] = weight * gy * gy, weight * gx * gx
    yx[row, column] = weight * gy * gx
    by[row, column], bx[row, column] = -weight * gy * off, -weight * gx * off


@piece
def bends(first, flow, row, column, right, down):
    """How much a sample is tied to its neighbours on the right and below."""
    rows, columns = first.shape
    if column + 1 < columns:
        y = flow[row, column + 1, 0] - flow[row, column, 0]
        x = flow[row, column + 1, 1] - flow[row, column, 1]
        edge = abs(first[row, column + 1] - first[row, column]) / EDGE
        right[row, column] = SMOOTHNESS * math.exp(-edge) / math.sqrt(y * y + x * x + TINY_FLOW)
    if row + 1 < rows:
        y = flow[row + 1, column, 0] - flow[row, column, 0]
        x = flow[row + 1, column, 1] - flow[row, column, 1]
        edge = abs(first[row + 1, column] - first[row, column]) / EDGE
        down[row, column] = SMOOTHNESS * math.exp(-edge) / math.sqrt(y * y + x * x + TINY_FLOW)


@piece
def relax(flow, step, yy, xx, yx, by, bx, right, down):
    """One sweep of successive over-relaxation over the change of the flow."""
    rows, columns = yy.shape
    for row in range(rows):
        for column in range(columns):
            ties, to_y, to_x = ZERO, ZERO, ZERO
            y, x = flow[row, column, 0], flow[row, column, 1]
            if column > 0:
                tie = right[row, column - 1]
                ties += tie
                to_y += tie * (flow[row, column - 1, 0] + step[row, column - 1, 0] - y)
                to_x += tie * (flow[row, column - 1, 1] + step[row, column - 1, 1] - x)
            if column + 1 < columns:
                tie = right[row, column]
                ties += tie
                to_y += tie * (flow[row, column + 1, 0] + step[row, column + 1, 0] - y)
                to_x += tie * (flow[row, column + 1, 1] + step[row, column + 1, 1] - x)
            if row > 0:
                tie = down[row - 1, column]
                ties += tie
                to_y += tie * (flow[row - 1, column, 0] + step[row - 1, column, 0] - y)
                to_x += tie * (flow[row - 1, column, 1] + step[row - 1, column, 1] - x)
            if row + 1 < rows:
                tie = down[row, column]
                ties += tie
                to_y += tie * (flow[row + 1, column, 0] + step[row + 1, column, 0] - y)
                to_x += tie * (flow[row + 1, column, 1] + step[row + 1, column, 1] - x)
            dy, dx = step[row, column, 0], step[row, column, 1]
            new_y = (by[row, column] + to_y - yx[row, column] * dx) / (yy[row, column] + ties)
            dy += OVERRELAXED * (new_y - dy)
            new_x = (bx[row, column] + to_x - yx[row, column] * dy) / (xx[row, column] + ties)
            dx += OVERRELAXED * (new_x - dx)
            step[row, column, 0], step[row, column, 1] = dy, dx
