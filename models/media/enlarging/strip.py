"""Compiled: rows of a plane of twice the size."""

import numpy as np

from models.media.enlarging.kernels import kernel, piece

f32 = np.float32
ZERO, ONE = f32(0), f32(1)
LANES = 192
"""Columns at once: three rows of all channels stay within the nearest caches."""


@kernel
def double_rows(plane, first, stop, net, out):
    """Rows `2 first` to `2 stop` of a plane of twice the size, in 0-1, `(2 (stop - first), 2 W)`.

    Layers follow one another row by row, so that nothing is computed twice down a strip and only
    the last three rows of each layer are kept.

    Args:
        plane: `(H + 2 M, W + 2 M)`, its edges repeated M times, the margin of the network.
        first: Row of the small plane.
        stop: The row behind the last.
        net: A `Net`.
        out: Is written.
    """
    channels, deep = net.first.shape[0], net.middle.shape[0]
    margin = max(3, deep + 2)
    width = plane.shape[1] - 2 * margin
    most = LANES + 2 * (deep + 1)
    rings = np.empty((deep + 1, 3, channels, most), f32)
    lacks = np.empty((4, LANES), f32)
    between = np.empty(LANES + 6, f32)
    for left in range(0, width, LANES):
        lanes = min(LANES, width - left)
        for at in range(first - 1 - deep, stop + 1 + deep):
            # Hidden layer k holds `deep - k + 1` more columns on either side than are written.
            column = left + margin - deep - 2
            rows = plane[at + margin - 1 : at + margin + 2, column : column + most + 2]
            above, here, below = rows[0:1], rows[1:2], rows[2:3]
            wide = lanes + 2 * (deep + 1)
            convolve(net.first, net.first_bias, wide, above, here, below, rings[0, at % 3], True)
            for k in range(1, deep + 1):
                row = at - k
                if row < first - 1 - deep + k:
                    break
                ring = rings[k - 1]
                wide -= 2
                convolve(
                    net.middle[k - 1], net.middle_bias[k - 1], wide,
                    ring[(row - 1) % 3], ring[row % 3], ring[(row + 1) % 3], rings[k, row % 3], True,
                )  # fmt: skip
            row = at - deep - 1
            if row < first:
                continue
            ring = rings[deep]
            convolve(
                net.last, net.last_bias, lanes,
                ring[(row - 1) % 3], ring[row % 3], ring[(row + 1) % 3], lacks, False,
            )  # fmt: skip
            for down in range(2):
                top = row + margin - 3 + down
                near = plane[top : top + 6, left + margin - 3 :]
                line = out[2 * (row - first) + down, 2 * left :]
                place(near, net.taps, down, lanes, lacks, between, line)


@piece
def convolve(weight, bias, lanes, above, here, below, out, rectified):
    """`out[p, n]`: bias and the weighted neighbours of column `n + 1` in three rows of channels."""
    for p in range(weight.shape[0]):
        start = bias[p]
        for n in range(lanes):
            out[p, n] = start
        for c in range(weight.shape[1]):
            w = weight[p, c]
            w0, w1, w2, w3, w4 = w[0], w[1], w[2], w[3], w[4]
            w5, w6, w7, w8 = w[5], w[6], w[7], w[8]
            for n in range(lanes):
                out[p, n] += (
                    w0 * above[c, n] + w1 * above[c, n + 1] + w2 * above[c, n + 2]
                    + w3 * here[c, n] + w4 * here[c, n + 1] + w5 * here[c, n + 2]
                    + w6 * below[c, n] + w7 * below[c, n + 1] + w8 * below[c, n + 2]
                )  # fmt: skip
        if rectified:
            for n in range(lanes):
                out[p, n] = max(out[p, n], ZERO)


@piece
def place(rows, taps, down, lanes, lacks, between, line):
    """A row of twice the width: Lanczos' filter, and what it lacks."""
    for n in range(lanes + 6):
        total = ZERO
        for k in range(6):
            total += taps[down, k] * rows[k, n]
        between[n] = total
    for across in range(2):
        for n in range(lanes):
            total = lacks[2 * down + across, n]
            for k in range(6):
                total += taps[across, k] * between[n + k + across]
            line[2 * n + across] = min(max(total, ZERO), ONE)
