"""Compiled: distances to what is filled, and the cells that all masks leave."""

import math

import numpy as np

from models.video.nerf.kernels import kernel
from models.video.nerf.optics import HALF, f32


@kernel
def widen(distance):
    """Chessboard distances to the zeros, in place, at most those that stand there.

    Two sweeps over the neighbours already visited are exact for this distance (Rosenfeld and
    Pfaltz 1968, "Distance functions on digital pictures").

    Args:
        distance: `(a, b, c)` bytes; the outermost layer is not looked at as a place, and stays.
    """
    for step in (1, -1):
        for p in range(1, distance.shape[0] - 1):
            i = p if step == 1 else distance.shape[0] - 1 - p
            for q in range(1, distance.shape[1] - 1):
                j = q if step == 1 else distance.shape[1] - 1 - q
                for r in range(1, distance.shape[2] - 1):
                    k = r if step == 1 else distance.shape[2] - 1 - r
                    here = distance[i, j, k]
                    if here == 0:
                        continue
                    least = distance[i, j, k - step]
                    for w in range(k - 1, k + 2):
                        least = min(least, distance[i, j - step, w])
                        for v in range(j - 1, j + 2):
                            least = min(least, distance[i - step, v, w])
                    if least + 1 < here:
                        distance[i, j, k] = least + 1


@kernel
def carve(
    first, stop, low, cell, shape, radius, eyes, turns, focal, centre, away, cut, needed, inside
):
    """Mark the cells `first` to `stop` whose middles no mask rules out.

    Args:
        first: Flat index of a cell.
        stop: See `first`.
        low: `(3,)` corner of the box.
        cell: `(3,)` sides of a cell.
        shape: `(3,)` cells.
        radius: Masks are grown by this length.
        eyes: `(n, 3)` of the views.
        turns: `(n, 3, 3)` camera to world.
        focal: `(n, 2)` pixels.
        centre: `(n, 2)` pixels.
        away: `(n, h, w)` distance of every pixel to the mask.
        cut: `(n,)` whether the mask reaches the border: then nothing is known of what lies outside.
        needed: Least number of views that see a cell.
        inside: `(cells,)` out.
    """
    height, width = away.shape[1], away.shape[2]
    point, local = np.empty(3, np.float32), np.empty(3, np.float32)
    for number in range(first, stop):
        rest = number // shape[2]
        point[0] = low[0] + (f32(rest // shape[1]) + HALF) * cell[0]
        point[1] = low[1] + (f32(rest % shape[1]) + HALF) * cell[1]
        point[2] = low[2] + (f32(number % shape[2]) + HALF) * cell[2]
        seen, kept = 0, True
        for view in range(len(eyes)):
            for a in range(3):
                s = f32(0)
                for b in range(3):
                    s += (point[b] - eyes[view, b]) * turns[view, b, a]
                local[a] = s
            depth = -local[2]
            visible = depth > f32(1e-6)
            if visible:
                column = focal[view, 0] * local[0] / depth + centre[view, 0]
                row = -focal[view, 1] * local[1] / depth + centre[view, 1]
                visible = column >= 0 and column < width and row >= 0 and row < height
            if visible:
                reach = math.ceil(radius * focal[view, 1] / max(depth, 4 * radius)) + 1
                kept = away[view, int(row), int(column)] <= reach
                seen += 1
            else:
                kept = cut[view]
            if not kept:
                break
        inside[number] = kept and seen >= needed
