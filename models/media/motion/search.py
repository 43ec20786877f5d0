"""Compiled: patches of one picture are found in the other.

Source: Kroeger et al. 2016, "Fast optical flow using dense inverse search", arXiv:1603.03590;
neighbours' finds are tried as well, as in Barnes et al. 2009, "PatchMatch".
"""

import numpy as np

from models.media.motion.kernels import kernel, piece
from models.media.motion.sampling import ONE, ZERO, f32, read

PATCH, STRIDE = 8, 4
MARGIN = 12
"""Samples added around planes, so that patches may leave the picture by so much."""
STEPS = 10
STEADY = f32(60)
"""Added to the diagonal of the normal equations: patches without texture keep what they began with."""
CLEARLY = f32(0.9)
"""A neighbour's find must lower the difference to this share to be taken over."""
SETTLED = f32(1e-3)
"""Squared length of a step that ends the descent, in samples."""
COUNT = f32(PATCH * PATCH)


@kernel
def find(first, second, start, found, left_over):
    """Motion of the patches of `first` towards `second`.

    Args:
        first: `(H + 2 MARGIN, W + 2 MARGIN)` luma.
        second: The same of the other picture.
        start: `(H, W, 2)` what is expected: down, across, in samples.
        found: `(rows, columns, 2)`; out.
        left_over: `(rows, columns)` sum of squared differences; out.
    """
    rows, columns = left_over.shape
    height, width = start.shape[0], start.shape[1]
    patch, gy, gx = (
        np.empty((PATCH, PATCH), np.float32),
        np.empty((PATCH, PATCH), np.float32),
        np.empty((PATCH, PATCH), np.float32),
    )
    best = np.empty(2, np.float32)
    for turn in range(2):
        for i in range(rows):
            row = i if turn == 0 else rows - 1 - i
            top = min(row * STRIDE, height - PATCH)
            for j in range(columns):
                column = j if turn == 0 else columns - 1 - j
                left = min(column * STRIDE, width - PATCH)
                cut(first, top, left, patch)
                if turn == 0:
                    middle = start[top + PATCH // 2, left + PATCH // 2]
                    best[0], best[1] = middle[0], middle[1]
                    cost = difference(patch, second, top, left, best[0], best[1])
                    back = -1
                else:
                    best[0], best[1] = found[row, column, 0], found[row, column, 1]
                    cost = left_over[row, column]
                    back = 1
                better = turn == 0
                for side in range(2):
                    near_row, near_column = (row + back, column) if side else (row, column + back)
                    if 0 <= near_row < rows and 0 <= near_column < columns:
                        y, x = found[near_row, near_column, 0], found[near_row, near_column, 1]
                        other = difference(patch, second, top, left, y, x)
                        if other < CLEARLY * cost:
                            best[0], best[1], cost = y, x, other
                            better = True
                if better:
                    slopes(first, top, left, gy, gx)
                    cost = descend(patch, gy, gx, second, top, left, best, cost)
                found[row, column, 0], found[row, column, 1] = best[0], best[1]
                left_over[row, column] = cost


@piece
def cut(first, top, left, patch):
    """Copy a patch without its mean."""
    total = ZERO
    for y in range(PATCH):
        for x in range(PATCH):
            patch[y, x] = first[top + MARGIN + y, left + MARGIN + x]
            total += patch[y, x]
    mean = total / COUNT
    for y in range(PATCH):
        for x in range(PATCH):
            patch[y, x] -= mean


@piece
def slopes(first, top, left, gy, gx):
    """Central differences of a patch, without their mean: brightness as a whole does not count."""
    mean_y, mean_x = ZERO, ZERO
    for y in range(PATCH):
        for x in range(PATCH):
            row, column = top + MARGIN + y, left + MARGIN + x
            gy[y, x] = f32(0.5) * (first[row + 1, column] - first[row - 1, column])
            gx[y, x] = f32(0.5) * (first[row, column + 1] - first[row, column - 1])
            mean_y += gy[y, x]
            mean_x += gx[y, x]
    mean_y, mean_x = mean_y / COUNT, mean_x / COUNT
    for y in range(PATCH):
        for x in range(PATCH):
            gy[y, x] -= mean_y
            gx[y, x] -= mean_x


@piece
def place(second, top, left, dy, dx):
    """Where a moved patch begins: whole samples and the rest, kept within the margin."""
    y = min(max(f32(top + MARGIN) + dy, ZERO), f32(second.shape[0] - PATCH) - f32(1.01))
    x = min(max(f32(left + MARGIN) + dx, ZERO), f32(second.shape[1] - PATCH) - f32(1.01))
    row, column = int(y), int(x)
    return row, column, y - f32(row), x - f32(column)


@piece
def difference(patch, second, top, left, dy, dx):
    """Sum of squared differences, apart from brightness as a whole."""
    row, column, down, across = place(second, top, left, dy, dx)
    a, b = (ONE - down) * (ONE - across), (ONE - down) * across
    c, d = down * (ONE - across), down * across
    total, squares = ZERO, ZERO
    for y in range(PATCH):
        for x in range(PATCH):
            r, q = row + y, column + x
            value = a * second[r, q] + b * second[r, q + 1]
            value += c * second[r + 1, q] + d * second[r + 1, q + 1] - patch[y, x]
            total += value
            squares += value * value
    return squares - total * total / COUNT


@piece
def descend(patch, gy, gx, second, top, left, best, cost):
    """Gauss-Newton steps from `best`, which is changed where they lower the difference."""
    yy, xx, yx = STEADY, STEADY, ZERO
    for y in range(PATCH):
        for x in range(PATCH):
            yy += gy[y, x] * gy[y, x]
            xx += gx[y, x] * gx[y, x]
            yx += gy[y, x] * gx[y, x]
    turned = ONE / (yy * xx - yx * yx)
    dy, dx = best[0], best[1]
    for _ in range(STEPS):
        row, column, down, across = place(second, top, left, dy, dx)
        a, b = (ONE - down) * (ONE - across), (ONE - down) * across
        c, d = down * (ONE - across), down * across
        to_y, to_x, total, squares = ZERO, ZERO, ZERO, ZERO
        for y in range(PATCH):
            for x in range(PATCH):
                r, q = row + y, column + x
                value = a * second[r, q] + b * second[r, q + 1]
                value += c * second[r + 1, q] + d * second[r + 1, q + 1] - patch[y, x]
                to_y += value * gy[y, x]
                to_x += value * gx[y, x]
                total += value
                squares += value * value
        here = squares - total * total / COUNT
        if here <= cost:
            best[0], best[1], cost = dy, dx, here
        elif here > f32(1.2) * cost:
            break
        step_y = turned * (xx * to_y - yx * to_x)
        step_x = turned * (yy * to_x - yx * to_y)
        dy, dx = dy - step_y, dx - step_x
        far = max(abs(dy - best[0]), abs(dx - best[1]))
        if step_y * step_y + step_x * step_x < SETTLED or far > f32(PATCH):
            break
    return cost


@kernel
def spread(first, second, found, flow):
    """Flow of every sample from the patches around it; those that fit it better count for more.

    Args:
        first: `(H, W)` luma.
        second: The same of the other picture.
        found: `(rows, columns, 2)` of `find`.
        flow: `(H, W, 2)`; out.
    """
    rows, columns = found.shape[0], found.shape[1]
    height, width = first.shape
    around = PATCH // STRIDE
    for y in range(height):
        last = min(y // STRIDE, rows - 1)
        for x in range(width):
            end = min(x // STRIDE, columns - 1)
            total, down, across = ZERO, ZERO, ZERO
            for i in range(max(last - around + 1, 0), min(last + 2, rows)):
                top = min(i * STRIDE, height - PATCH)
                if y < top or y >= top + PATCH:
                    continue
                for j in range(max(end - around + 1, 0), min(end + 2, columns)):
                    left = min(j * STRIDE, width - PATCH)
                    if x < left or x >= left + PATCH:
                        continue
                    dy, dx = found[i, j, 0], found[i, j, 1]
                    off = read(second, f32(y) + dy, f32(x) + dx) - first[y, x]
                    weight = ONE / max(ONE, abs(off))
                    total += weight
                    down += weight * dy
                    across += weight * dx
            flow[y, x, 0], flow[y, x, 1] = down / total, across / total
