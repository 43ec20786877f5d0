"""Compiled: planes made smaller, and read between their samples."""

import math

import numpy as np

from models.media.motion.kernels import kernel, piece

f32 = np.float32
ZERO, HALF, ONE, TWO = f32(0), f32(0.5), f32(1), f32(2)


@kernel
def luma(picture, out):
    """Luma of BT.709 `(H, W)`, 0-255, of a picture `(H, W, 3)` of bytes."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = (
                f32(0.2126) * f32(picture[row, column, 0])
                + f32(0.7152) * f32(picture[row, column, 1])
                + f32(0.0722) * f32(picture[row, column, 2])
            )


@kernel
def halve(plane, out):
    """Means of two by two; an odd last row or column stands for two."""
    rows, columns = plane.shape
    for row in range(out.shape[0]):
        upper, lower = 2 * row, min(2 * row + 1, rows - 1)
        for column in range(out.shape[1]):
            left, right = 2 * column, min(2 * column + 1, columns - 1)
            out[row, column] = f32(0.25) * (
                plane[upper, left] + plane[upper, right] + plane[lower, left] + plane[lower, right]
            )


@kernel
def double(flow, out):
    """A flow `(h, w, 2)` of a plane in that of twice its size, `(H, W, 2)`; motion doubles too."""
    for row in range(out.shape[0]):
        y = HALF * f32(row) - f32(0.25)
        for column in range(out.shape[1]):
            x = HALF * f32(column) - f32(0.25)
            for axis in range(2):
                out[row, column, axis] = TWO * read(flow[:, :, axis], y, x)


@piece
def read(plane, y, x):
    """A plane between its samples, bilinear; beyond its edge it stays as it is there."""
    rows, columns = plane.shape
    y = min(max(y, ZERO), f32(rows - 1))
    x = min(max(x, ZERO), f32(columns - 1))
    top, left = int(y), int(x)
    bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
    down, across = y - f32(top), x - f32(left)
    upper = plane[top, left] + across * (plane[top, right] - plane[top, left])
    lower = plane[bottom, left] + across * (plane[bottom, right] - plane[bottom, left])
    return upper + down * (lower - upper)


@piece
def cubic(share, weights):
    """Weights `(4,)` of the samples around a place, from the one before the left neighbour on.

    Source: Keys 1981, "Cubic convolution interpolation for digital image processing", a = -1/2.
    """
    s2, s3 = share * share, share * share * share
    weights[0] = HALF * (-share + TWO * s2 - s3)
    weights[1] = HALF * (TWO - f32(5) * s2 + f32(3) * s3)
    weights[2] = HALF * (share + f32(4) * s2 - f32(3) * s3)
    weights[3] = HALF * (s3 - s2)


@piece
def inside(shape, y, x):
    """Whether a place lies within a plane, half a sample around it included."""
    return y > -HALF and x > -HALF and y < f32(shape[0]) - HALF and x < f32(shape[1]) - HALF


@piece
def length(y, x):
    """Of a vector."""
    return f32(math.sqrt(y * y + x * x))
