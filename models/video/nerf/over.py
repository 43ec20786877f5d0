"""Compiled: a field's picture over a background that is kept small."""

import numpy as np

from models.video.nerf.kernels import kernel
from models.video.nerf.optics import ONE


@kernel
def lay_over(rgb, alpha, small, down, across, sky, gain, first, stop):
    """Put another background behind the rows `first` to `stop` of a picture, in place.

    Args:
        rgb: `(rows, W, 3)` over a background of one colour.
        alpha: `(rows, W)`.
        small: `(h, w, 3)` the new background, which is interpolated.
        down: Of every row: the row of `small` above it, the one below, the share of that.
        across: The same of every column.
        sky: `(3,)` the colour that is taken away.
        gain: Of the field's own light.
        first: Row.
        stop: See `first`.
    """
    line = np.empty(small.shape[1:], np.float32)
    for row in range(first, stop):
        above, below, share = down[0][row], down[1][row], down[2][row]
        for column in range(line.shape[0]):
            for a in range(3):
                upper = small[above, column, a]
                line[column, a] = upper + share * (small[below, column, a] - upper)
        for column in range(rgb.shape[1]):
            clear = ONE - alpha[row, column]
            left, right, part = across[0][column], across[1][column], across[2][column]
            for a in range(3):
                behind = line[left, a] + part * (line[right, a] - line[left, a])
                own = rgb[row, column, a] - clear * sky[a]
                rgb[row, column, a] = own * gain + clear * behind
