"""Compiled: surfaces seen from nearby, band by band.

Squares between neighbouring points are drawn as two triangles each, the nearest kept by a depth
buffer.
"""

import math

import numpy as np

from models.video.layers.arrays import TORN, WHOLE
from models.video.layers.edges import edge, fill, fringe
from models.video.layers.kernels import kernel, piece
from models.video.layers.project import SEAM, f32, line, project


@kernel
def spans(stack, sight, out):
    """Highest and lowest place `out (L, H - 1, 2)` of each row of squares; none if empty."""
    layers, height, width = stack.nearness.shape
    point = np.empty(4)
    ends = np.empty((height, 2))
    for n in range(layers):
        for i in range(height):
            ends[i, 0], ends[i, 1] = math.inf, -math.inf
            above, below = max(i - 1, 0), min(i, height - 2)
            for j in range(width):
                left, right = max(j - 1, 0), min(j, width - 2)
                if (
                    stack.squares[n, above, left]
                    | stack.squares[n, above, right]
                    | stack.squares[n, below, left]
                    | stack.squares[n, below, right]
                ) == 0:
                    continue
                project(stack, sight, i, j, stack.nearness[n, i, j], point)
                if point[3] > 0.0:
                    ends[i, 0] = min(ends[i, 0], point[1])
                    ends[i, 1] = max(ends[i, 1], point[1])
        for i in range(height - 1):
            out[n, i, 0] = min(ends[i, 0], ends[i + 1, 0])
            out[n, i, 1] = max(ends[i, 1], ends[i + 1, 1])


@kernel
def draw(stack, sight, rows, first, colour, nearness, made):
    """Draw the rows from `first` on.

    Args:
        stack: What is there.
        sight: From where.
        rows: As `spans` gave them.
        first: Row of the picture that the first row of the results is.
        colour: `(rows, W, 3)`; out, as are the others, see `Seen`.
        nearness: See `colour`.
        made: See `colour`.
    """
    layers, height, width = stack.nearness.shape
    high, wide = nearness.shape
    for i in range(high):
        for j in range(wide):
            nearness[i, j] = f32(-1)
            made[i, j] = 1
            for a in range(3):
                colour[i, j, a] = stack.beyond[a]
    upper, lower = np.empty((width, 4)), np.empty((width, 4))
    at, tone, share = np.empty((4, 4)), np.empty((4, 3)), np.empty(4)
    torn = 0
    for n in range(layers):
        ready = -2
        for i in range(height - 1):
            if rows[n, i, 1] < first + 0.5 - 1.0 or rows[n, i, 0] > first + high + 0.5:
                continue
            if ready == i:
                upper, lower = lower, upper
            else:
                line(stack, sight, n, i, upper)
            line(stack, sight, n, i + 1, lower)
            ready = i + 1
            for j in range(width - 1):
                kind = stack.squares[n, i, j]
                if kind == TORN:
                    torn += 1
                    if edge(stack, sight, n, i, j, False, at, tone, share):
                        fill(at, tone, share, 0, 1, 2, first, colour, nearness, made)
                        fill(at, tone, share, 3, 2, 1, first, colour, nearness, made)
                if kind != WHOLE:
                    continue
                a, b, c, d = upper[j], upper[j + 1], lower[j], lower[j + 1]
                if a[3] * b[3] * c[3] * d[3] == 0.0:
                    continue
                corner(stack, n, i, j, 0, a, b, c, first, colour, nearness, made)
                corner(stack, n, i, j, 1, d, c, b, first, colour, nearness, made)
    if torn > 0:
        fringe(stack, sight, rows, first, colour, nearness, made)
    stretch(nearness, colour)


@piece
def stretch(nearness, colour):
    """Let the ends of what a row shows go on where nothing is; within a row, so that bands join."""
    high, wide = nearness.shape
    for i in range(high):
        last = -1
        for j in range(wide):
            if nearness[i, j] < f32(0):
                continue
            for k in range(last + 1, j):
                known = last if last >= 0 and k - last < j - k else j
                for a in range(3):
                    colour[i, k, a] = colour[i, known, a]
            last = j
        if last >= 0:
            for k in range(last + 1, wide):
                for a in range(3):
                    colour[i, k, a] = colour[i, last, a]


@piece
def corner(stack, n, i, j, other, p, q, r, first, colour, nearness, made):
    """Draw half a square: the triangle of the points p, q and r."""
    high, wide = nearness.shape
    y0, y1 = min(p[1], min(q[1], r[1])), max(p[1], max(q[1], r[1]))
    top = max(int(math.ceil(y0 - first - 0.502)), 0)
    bottom = min(int(math.floor(y1 - first - 0.498)), high - 1)
    if top > bottom:
        return
    x0, x1 = min(p[0], min(q[0], r[0])), max(p[0], max(q[0], r[0]))
    left = max(int(math.ceil(x0 - 0.502)), 0)
    right = min(int(math.floor(x1 - 0.498)), wide - 1)
    if left > right:
        return
    area = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1])
    if area < 1e-9:  # seen from behind
        return
    part = 1.0 / area
    # The points of one half lie at (i, j), (i, j + 1), (i + 1, j), of the other half opposite.
    pi, qi, ri = i + other, i + other, i + 1 - other
    pj, qj, rj = j + other, j + 1 - other, j + other
    for row in range(top, bottom + 1):
        y = row + first + 0.5 - p[1]
        for column in range(left, right + 1):
            x = column + 0.5 - p[0]
            v = (x * (r[1] - p[1]) - (r[0] - p[0]) * y) * part
            w = ((q[0] - p[0]) * y - x * (q[1] - p[1])) * part
            u = 1.0 - v - w
            if u < -SEAM or v < -SEAM or w < -SEAM:
                continue
            near = u * p[2] + v * q[2] + w * r[2]
            if near <= nearness[row, column]:
                continue
            nearness[row, column] = near
            unseen = (
                u * stack.made[n, pi, pj] + v * stack.made[n, qi, qj] + w * stack.made[n, ri, rj]
            )
            made[row, column] = 1 if unseen > 0.5 else 0
            for a in range(3):
                colour[row, column, a] = (
                    u * stack.colour[n, pi, pj, a]
                    + v * stack.colour[n, qi, qj, a]
                    + w * stack.colour[n, ri, rj, a]
                )
