"""What the kernels read, as plain arrays."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

REACH: Final = 3
"""Samples of Lanczos' filter on either side of a place."""


class Net(NamedTuple):
    """Convolutions of three by three, the taps of each row by row.

    Attributes:
        first: `(C, 1, 9)` from luma.
        first_bias: `(C,)`.
        middle: `(K, C, C, 9)`.
        middle_bias: `(K, C)`.
        last: `(4, C, 9)` to what Lanczos' filter lacks at the four places of a sample, row by row.
        last_bias: `(4,)`.
        taps: `(2, 6)` of Lanczos' filter a quarter before and behind a sample.
    """

    first: Floats
    first_bias: Floats
    middle: Floats
    middle_bias: Floats
    last: Floats
    last_bias: Floats
    taps: Floats

    @property
    def margin(self) -> int:
        """Samples around a place that its values follow from."""
        return max(REACH, len(self.middle) + 2)


def lanczos_taps() -> Floats:
    """`(2, 6)`: the filter a quarter of a sample before and behind one; each sums to 1.

    Before it they begin three samples ahead of it, behind it two.

    Source: Duchon 1979, with three lobes.
    """
    places = np.array([np.arange(-3, 3) + 0.25, np.arange(-2, 4) - 0.25])
    taps = np.sinc(places) * np.sinc(places / REACH)
    return np.asarray(taps / taps.sum(1, keepdims=True), np.float32)
