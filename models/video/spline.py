"""Curves through keyframes: one for places, one that never overshoots."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEAREST: Final = 1e-12


def kochanek_bartels(
    points: Array, at: Array, tension: float, continuity: float, bias: float, *, closed: bool
) -> Array:
    """Points on a cubic curve through keyframes.

    Args:
        points: `(N, D)`.
        at: `(M,)` places along it: `i + 0.5` is halfway from keyframe i to the next.
        tension: Shortens tangents; at 1 there are none.
        continuity: Unequal tangents on both sides where it is not 0.
        bias: Towards the way in (1) or out (-1).
        closed: Whether the last keyframe leads to the first; then `at` goes to N, else to N - 1.

    Source: Kochanek and Bartels 1984, eq. 8 and 9.
    """
    if len(points) == 1:
        return np.repeat(points, len(at), 0)
    if closed:
        before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    else:
        steps = np.diff(points, axis=0)
        before = np.concatenate([steps[:1], steps])
        after = np.concatenate([steps, steps[-1:]])
    slow = (1 - tension) / 2
    arriving = slow * (
        (1 - continuity) * (1 + bias) * before + (1 + continuity) * (1 - bias) * after
    )
    leaving = slow * (
        (1 + continuity) * (1 + bias) * before + (1 - continuity) * (1 - bias) * after
    )
    spans = len(points) if closed else len(points) - 1
    index = np.clip(np.floor(at).astype(int), 0, spans - 1)
    following = (index + 1) % len(points)
    return _hermite(
        (at - index)[:, None], points[index], points[following], leaving[index], arriving[following]
    )


def monotone(times: Array, values: Array, at: Array) -> Array:
    """A smooth curve that rises where its values rise and is flat where they are.

    Args:
        times: `(N,)`, rising.
        values: `(N,)`.
        at: `(M,)`; beyond the ends the end's value.

    Source: Fritsch and Butland 1984 (PCHIP).
    """
    if len(times) == 1:
        return np.full(len(at), values[0])
    widths, slopes = np.diff(times), np.diff(values) / np.diff(times)
    tangents = np.zeros(len(times))
    tangents[0], tangents[-1] = slopes[0], slopes[-1]
    if len(times) > 2:
        left, right = slopes[:-1], slopes[1:]
        weight = (2 * widths[1:] + widths[:-1], widths[1:] + 2 * widths[:-1])
        same = left * right > 0
        # The weighted harmonic mean, as a product: slopes may be too small to divide by.
        divisor = np.where(same, weight[0] * right + weight[1] * left, 1)
        harmonic = (weight[0] + weight[1]) * left * right / divisor
        tangents[1:-1] = np.where(same, harmonic, 0)
    at = np.clip(at, times[0], times[-1])
    index = np.clip(np.searchsorted(times, at, "right") - 1, 0, len(widths) - 1)
    width = widths[index]
    return _hermite(
        (at - times[index]) / width,
        values[index],
        values[index + 1],
        tangents[index] * width,
        tangents[index + 1] * width,
    )


def _hermite(share: Array, start: Array, end: Array, leaving: Array, arriving: Array) -> Array:
    square, cube = share**2, share**3
    curve: Array = (
        (2 * cube - 3 * square + 1) * start
        + (cube - 2 * square + share) * leaving
        + (3 * square - 2 * cube) * end
        + (cube - square) * arriving
    )
    return curve


def quaternion(turn: Array) -> Array:
    """`(4,)`, w first, of a rotation `(3, 3)`.

    Source: Bar-Itzhack 2000: the eigenvector of the largest eigenvalue, stable everywhere.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = turn
    symmetric = (
        np.array(
            [
                [xx + yy + zz, zy - yz, xz - zx, yx - xy],
                [zy - yz, xx - yy - zz, yx + xy, zx + xz],
                [xz - zx, yx + xy, yy - xx - zz, zy + yz],
                [yx - xy, zx + xz, zy + yz, zz - xx - yy],
            ]
        )
        / 3
    )
    return np.asarray(np.linalg.eigh(symmetric)[1][:, -1])


def rotation(quaternions: Array) -> Array:
    """`(M, 3, 3)` of `(M, 4)`, w first, of any length."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        -2,
    )


def same_sign(quaternions: Array) -> Array:
    """The same turns, each on the side of the one before: `q` and `-q` turn alike."""
    kept = quaternions.copy()
    for index in range(1, len(kept)):
        if kept[index] @ kept[index - 1] < 0:
            kept[index] *= -1
    return kept


def unit(vectors: Array) -> Array:
    """Directions of vectors `(..., 3)`."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, NEAREST))
