"""Compiled: which samples are seen in both pictures, and what moves those that are not."""

import math

from models.media.motion.kernels import kernel, piece
from models.media.motion.sampling import ZERO, f32, inside, read

SHARE, SLACK = f32(0.01), f32(0.5)
"""Of squared lengths, and squared samples: by how much the ways there and back may differ.

Source: Sundaram et al. 2010, "Dense point trajectories by GPU-accelerated large displacement optical
flow", eq. 5.
"""
FARTHEST = 48
"""Samples to the nearest one whose motion is taken over."""
ALIKE = f32(20.0)
"""Grey levels of difference at which a neighbour counts for 1/e."""


@kernel
def compare(first, second, there, back, seen, off):
    """Follow each sample of `first` there and back again.

    Args:
        first: `(H, W)` luma.
        second: The same of the other picture.
        there: `(H, W, 2)` flow from `first` to `second`.
        back: The other way.
        seen: `(H, W)` of bytes, 1 where both ways agree; out.
        off: `(H, W)` difference of luma, grey levels; out.
    """
    rows, columns = first.shape
    for row in range(rows):
        for column in range(columns):
            dy, dx = there[row, column, 0], there[row, column, 1]
            y, x = f32(row) + dy, f32(column) + dx
            off[row, column] = abs(read(second, y, x) - first[row, column])
            seen[row, column] = 0
            if inside(first.shape, y, x):
                ry, rx = read(back[:, :, 0], y, x), read(back[:, :, 1], y, x)
                error = (dy + ry) * (dy + ry) + (dx + rx) * (dx + rx)
                long = dy * dy + dx * dx + ry * ry + rx * rx
                if error < SHARE * long + SLACK:
                    seen[row, column] = 1


@kernel
def complete(plane, seen, flow):
    """Give what is seen only once the motion of its like: what is hidden is of the background.

    Args:
        plane: `(H, W)` luma.
        seen: `(H, W)` of bytes, from `compare`.
        flow: `(H, W, 2)`; where nothing was seen it is replaced.
    """
    rows, columns = plane.shape
    for row in range(rows):
        for column in range(columns):
            if seen[row, column]:
                continue
            total, dy, dx = ZERO, ZERO, ZERO
            for turn in range(16):
                y, x, far = nearest(seen, row, column, turn)
                if far > 0:
                    unlike = abs(plane[y, x] - plane[row, column]) / ALIKE
                    weight = math.exp(-unlike) / f32(far)
                    total += weight
                    dy += weight * flow[y, x, 0]
                    dx += weight * flow[y, x, 1]
            if total > ZERO:
                flow[row, column, 0], flow[row, column, 1] = dy / total, dx / total


@piece
def nearest(seen, row, column, turn):
    """The nearest seen sample in one of 16 directions, and how many steps away; 0 if there is none."""
    angle = f32(turn) * f32(2 * math.pi / 16)
    down, across = math.sin(angle), math.cos(angle)
    for far in range(1, FARTHEST):
        y = int(math.floor(f32(row) + down * f32(far) + f32(0.5)))
        x = int(math.floor(f32(column) + across * f32(far) + f32(0.5)))
        if y < 0 or x < 0 or y >= seen.shape[0] or x >= seen.shape[1]:
            return 0, 0, 0
        if seen[y, x]:
            return y, x, far
    return 0, 0, 0
