"""Compiled: surfaces seen from nearby, band by band.

Squares between neighbouring points are drawn as two triangles each, nearest first by a depth
buffer. A square at the edge of a surface is drawn twice: once as the far side, which goes on behind,
and once as the near side, which goes from opaque to clear, so that outlines are smooth.
"""

import math

import numpy as np

from models.video.layers.arrays import TORN, WHOLE
from models.video.layers.kernels import kernel, piece

f32 = np.float32
SEAM = 1e-4
"""How far outside a triangle pixels still count, in shares of it, so that neighbours have no gap."""
BEHIND = 1e-6
SHEET = 2.0
"""See `peel.SHEET`."""


@piece
def project(stack, sight, row, column, near, out):
    """Where a point is seen: `out (4,)` column, row, nearness, 1; the last 0 if it is not."""
    x = (column + 0.5 - stack.centre_px[0]) / stack.focal_px[0]
    y = -(row + 0.5 - stack.centre_px[1]) / stack.focal_px[1]
    turn, shift = sight.turn, sight.shift
    h0 = turn[0, 0] * x + turn[0, 1] * y - turn[0, 2] + near * shift[0]
    h1 = turn[1, 0] * x + turn[1, 1] * y - turn[1, 2] + near * shift[1]
    ahead = -(turn[2, 0] * x + turn[2, 1] * y - turn[2, 2] + near * shift[2])
    if ahead < BEHIND or near > sight.nearest * ahead:
        out[0], out[1], out[2], out[3] = 0.0, 0.0, 0.0, 0.0
        return
    part = 1.0 / ahead
    out[0] = sight.centre_px[0] + sight.focal_px[0] * h0 * part
    out[1] = sight.centre_px[1] - sight.focal_px[1] * h1 * part
    out[2] = near * part
    out[3] = 1.0


@piece
def line(stack, sight, n, row, out):
    """Where the points of a row are seen, `out (W, 4)` as of `project`."""
    for column in range(len(out)):
        near = stack.nearness[n, row, column]
        if near < f32(0):
            out[column, 3] = 0.0
        else:
            project(stack, sight, row, column, near, out[column])


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
