"""Compiled: the picture at a moment between two.

Source: flow is carried to the moment by splatting with weights, after Niklaus and Liu 2020, "Softmax
splatting for video frame interpolation", arXiv:2003.05534; both pictures are then read backwards, as
in Baker et al. 2011, "A database and evaluation methodology for optical flow", section 3.3.2.
"""

import math

import numpy as np

from models.media.motion.kernels import kernel, piece
from models.media.motion.sampling import HALF, ONE, ZERO, cubic, f32, inside, read

SHARP = f32(0.15)
"""Per grey level: how fast samples lose weight that look different in the other picture."""
HIDDEN = f32(0.02)
"""Weight of samples that are seen only once, where others come to lie on them."""
COVERED = f32(0.2)
"""Share of a sample below which nothing has come to lie there."""
REACH = 64
"""Samples to the nearest motion that fills a hole."""
FAINT = f32(1 / 128)


@kernel
def carry(flow, seen, off, share, reverse, total):
    """Carry the samples of one picture to the moment, and add up what comes to lie where.

    Args:
        flow: `(H, W, 2)` to the other picture.
        seen: `(H, W)` of bytes: 1 where it is seen in the other as well.
        off: `(H, W)` grey levels of difference.
        share: Of the way, 0-1.
        reverse: Whether the flow runs against time.
        total: `(H, W, 5)`: weights, weighted motion down and across along time, weights of what is
            seen only here, plain coverage; added to.
    """
    rows, columns = seen.shape
    sign = -ONE if reverse else ONE
    for row in range(rows):
        for column in range(columns):
            dy, dx = flow[row, column, 0], flow[row, column, 1]
            y, x = f32(row) + share * dy, f32(column) + share * dx
            top, left = int(math.floor(y)), int(math.floor(x))
            down, across = y - f32(top), x - f32(left)
            alone = not seen[row, column]
            value = HIDDEN if alone else math.exp(-SHARP * off[row, column]) + f32(2) * HIDDEN
            for i in range(2):
                for j in range(2):
                    r, c = top + i, left + j
                    if r < 0 or c < 0 or r >= rows or c >= columns:
                        continue
                    part = (down if i else ONE - down) * (across if j else ONE - across)
                    weight = part * value
                    total[r, c, 0] += weight
                    total[r, c, 1] += weight * sign * dy
                    total[r, c, 2] += weight * sign * dx
                    if alone:
                        total[r, c, 3] += weight
                    total[r, c, 4] += part


@kernel
def settle(before, after, share, motion, blend):
    """The motion at the moment, and how much of each picture is seen.

    Args:
        before: `(H, W, 5)` of `carry` from the earlier picture.
        after: The same from the later one.
        share: Of the time from the earlier to the later picture.
        motion: `(H, W, 2)` from the earlier to the later picture; out.
        blend: `(H, W)` share of the later picture; out.
    """
    rows, columns = blend.shape
    for row in range(rows):
        for column in range(columns):
            one, two = before[row, column], after[row, column]
            blend[row, column] = f32(-1)
            if one[4] + two[4] < COVERED:
                continue
            total = one[0] + two[0]
            motion[row, column, 0] = (one[1] + two[1]) / total
            motion[row, column, 1] = (one[2] + two[2]) / total
            only_before, only_after = one[3] / total, two[3] / total
            blend[row, column] = share * (ONE - only_before - only_after) + only_after
    for row in range(rows):
        for column in range(columns):
            if blend[row, column] < ZERO:
                fill(blend, motion, row, column)
    for row in range(rows):
        for column in range(columns):
            if blend[row, column] < ZERO:
                blend[row, column] = share


@piece
def fill(blend, motion, row, column):
    """Motion in a hole, from what surrounds it."""
    total, dy, dx = ZERO, ZERO, ZERO
    for turn in range(4):
        down, across = (turn == 0) - (turn == 1), (turn == 2) - (turn == 3)
        for far in range(1, REACH):
            y, x = row + far * down, column + far * across
            if y < 0 or x < 0 or y >= blend.shape[0] or x >= blend.shape[1]:
                break
            if blend[y, x] >= ZERO:
                weight = ONE / f32(far)
                total += weight
                dy += weight * motion[y, x, 0]
                dx += weight * motion[y, x, 1]
                break
    if total > ZERO:
        motion[row, column, 0], motion[row, column, 1] = dy / total, dx / total


@kernel
def draw(earlier, later, motion, blend, even, scale, share, start, stop, out):
    """Rows of the picture at the moment.

    Args:
        earlier: `(H, W, 3)` of bytes.
        later: The same.
        motion: `(h, w, 2)` of `settle`, in samples of its own.
        blend: `(h, w)` of `settle`.
        even: Whether both pictures count also beyond their edges.
        scale: Pixels a sample of `motion` is wide.
        share: Of the time from the earlier to the later picture.
        start: Row.
        stop: See `start`.
        out: `(H, W, 3)` of bytes; out.
    """
    wide = f32(scale)
    one, two = np.empty(3, np.float32), np.empty(3, np.float32)
    down, across = np.empty(4, np.float32), np.empty(4, np.float32)
    for row in range(start, stop):
        y = (f32(row) + HALF) / wide - HALF
        for column in range(earlier.shape[1]):
            x = (f32(column) + HALF) / wide - HALF
            dy, dx = wide * read(motion[:, :, 0], y, x), wide * read(motion[:, :, 1], y, x)
            part = read(blend, y, x)
            y0, x0 = f32(row) - share * dy, f32(column) - share * dx
            y1, x1 = y0 + dy, x0 + dx
            if not even and not inside(earlier.shape, y0, x0):
                part = ONE
            elif not even and not inside(earlier.shape, y1, x1):
                part = ZERO
            if part < ONE - FAINT:
                colour(earlier, y0, x0, down, across, one)
            if part > FAINT:
                colour(later, y1, x1, down, across, two)
            for a in range(3):
                if part <= FAINT:
                    value = one[a]
                elif part >= ONE - FAINT:
                    value = two[a]
                else:
                    value = one[a] + part * (two[a] - one[a])
                out[row, column, a] = np.uint8(min(max(value, ZERO), f32(255)) + HALF)


@piece
def colour(picture, y, x, down, across, out):
    """A picture between its pixels, by cubic convolution."""
    rows, columns = picture.shape[0], picture.shape[1]
    top, left = int(math.floor(y)), int(math.floor(x))
    cubic(y - f32(top), down)
    cubic(x - f32(left), across)
    for a in range(3):
        out[a] = ZERO
    for i in range(4):
        r = min(max(top - 1 + i, 0), rows - 1)
        for j in range(4):
            c = min(max(left - 1 + j, 0), columns - 1)
            weight = down[i] * across[j]
            for a in range(3):
                out[a] += weight * f32(picture[r, c, a])
