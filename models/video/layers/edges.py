"""Compiled: squares at the edges of surfaces.

Each is drawn twice: once as the far side, which goes on behind, and once as the near side, which goes
from opaque to clear, so that outlines are smooth.
"""

import math

import numpy as np

from models.video.layers.arrays import TORN
from models.video.layers.kernels import piece
from models.video.layers.project import SEAM, f32, project

SHEET = 2.0
"""See `peel.SHEET`."""


@piece
def edge(stack, sight, n, i, j, near_side, at, tone, share):
    """One side of a torn square, spread over all of it; false if it cannot be seen.

    The far side goes on as the next layer does, where that is its continuation.

    Args:
        stack: What is there.
        sight: From where.
        n: Layer.
        i: Row of the square.
        j: Column.
        near_side: Which.
        at: `(4, 4)` out: corners as `project` has them.
        tone: `(4, 3)` out: their colours.
        share: `(4,)` out: 1 for corners of this side, 0 for the others.
    """
    a, b = stack.nearness[n, i, j], stack.nearness[n, i, j + 1]
    c, d = stack.nearness[n, i + 1, j], stack.nearness[n, i + 1, j + 1]
    low, high = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
    count, near = 0, 0.0
    red, green, blue = 0.0, 0.0, 0.0
    for k in range(4):
        y, x = i + k // 2, j + k % 2
        value = stack.nearness[n, y, x]
        own = value > high - stack.jump if near_side else value < low + stack.jump
        share[k] = 1.0 if own else 0.0
        if own:
            count += 1
            near += value
            red += stack.colour[n, y, x, 0]
            green += stack.colour[n, y, x, 1]
            blue += stack.colour[n, y, x, 2]
    near /= count
    for k in range(4):
        y, x = i + k // 2, j + k % 2
        layer = n if share[k] > 0.0 else n + 1
        value = near
        known = share[k] > 0.0
        if not known and not near_side and layer < len(stack.nearness):
            behind = stack.nearness[layer, y, x]
            known = behind >= 0.0 and abs(behind - near) <= SHEET * stack.jump
        if known:
            value = stack.nearness[layer, y, x]
            for a in range(3):
                tone[k, a] = stack.colour[layer, y, x, a]
        else:
            tone[k, 0], tone[k, 1], tone[k, 2] = red / count, green / count, blue / count
        project(stack, sight, y, x, value, at[k])
        if at[k, 3] == 0.0:
            return False
    return True


@piece
def fill(at, tone, share, a, b, c, first, colour, nearness, made):
    """Draw half of the far side of a torn square."""
    high, wide = nearness.shape
    p, q, r = at[a], at[b], at[c]
    area = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1])
    if area < 1e-9:
        return
    part = 1.0 / area
    top = max(int(math.ceil(min(p[1], min(q[1], r[1])) - first - 0.502)), 0)
    bottom = min(int(math.floor(max(p[1], max(q[1], r[1])) - first - 0.498)), high - 1)
    left = max(int(math.ceil(min(p[0], min(q[0], r[0])) - 0.502)), 0)
    right = min(int(math.floor(max(p[0], max(q[0], r[0])) - 0.498)), wide - 1)
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
            made[row, column] = 1 if u * share[a] + v * share[b] + w * share[c] < 0.5 else 0
            for n in range(3):
                colour[row, column, n] = u * tone[a, n] + v * tone[b, n] + w * tone[c, n]


@piece
def blend(at, tone, share, a, b, c, first, nearness, cover, paint):
    """Lay half a torn square over a band where it is in front and covers more than others."""
    high, wide = nearness.shape
    p, q, r = at[a], at[b], at[c]
    area = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1])
    if area < 1e-9:
        return
    part = 1.0 / area
    top = max(int(math.ceil(min(p[1], min(q[1], r[1])) - first - 0.502)), 0)
    bottom = min(int(math.floor(max(p[1], max(q[1], r[1])) - first - 0.498)), high - 1)
    left = max(int(math.ceil(min(p[0], min(q[0], r[0])) - 0.502)), 0)
    right = min(int(math.floor(max(p[0], max(q[0], r[0])) - 0.498)), wide - 1)
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
            opaque = u * share[a] + v * share[b] + w * share[c]
            if opaque <= cover[row, column] or near <= nearness[row, column]:
                continue
            cover[row, column] = min(opaque, 1.0)
            for n in range(3):
                paint[row, column, n] = u * tone[a, n] + v * tone[b, n] + w * tone[c, n]
            paint[row, column, 3] = near


@piece
def fringe(stack, sight, rows, first, colour, nearness, made):
    """Draw the edges of surfaces over what is behind them."""
    layers, height, width = stack.nearness.shape
    high, wide = nearness.shape
    cover = np.zeros((high, wide), np.float32)
    paint = np.empty((high, wide, 4), np.float32)
    at, tone, share = np.empty((4, 4)), np.empty((4, 3)), np.empty(4)
    for n in range(layers):
        for i in range(height - 1):
            if rows[n, i, 1] < first - 1.0 or rows[n, i, 0] > first + high + 1.0:
                continue
            for j in range(width - 1):
                if stack.squares[n, i, j] != TORN:
                    continue
                if not edge(stack, sight, n, i, j, True, at, tone, share):
                    continue
                blend(at, tone, share, 0, 1, 2, first, nearness, cover, paint)
                blend(at, tone, share, 3, 2, 1, first, nearness, cover, paint)
    for i in range(high):
        for j in range(wide):
            part = cover[i, j]
            if part > f32(0):
                for a in range(3):
                    colour[i, j, a] += part * (paint[i, j, a] - colour[i, j, a])
                if part > f32(0.5):
                    nearness[i, j] = paint[i, j, 3]
                    made[i, j] = 0
