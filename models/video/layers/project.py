"""Compiled: where points of layers are seen."""

import numpy as np

from models.video.layers.kernels import piece

f32 = np.float32
SEAM = 1e-4
"""How far outside a triangle pixels still count, in shares of it, so that neighbours have no gap."""
BEHIND = 1e-6


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
