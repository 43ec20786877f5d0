"""The luma of large frames, strip by strip, on every core."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from models.core.crew import cores, crew
from models.media.enlarging.arrays import Floats, Net
from models.media.enlarging.strip import double_rows
from models.media.enlarging.weights import trained
from models.media.planes import samples
from models.media.poll import Poll
from models.media.size import Size, doublings

STRIP_ROWS: Final = 32
"""Rows of the small plane at once: some hundredths of a second at 8K."""
LANCZOS: Final = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.BITEXACT

Plane: TypeAlias = NDArray[np.unsignedinteger[Any]]
Put: TypeAlias = Callable[[int, Floats], None]
"""Takes the first row of a strip of the large plane, and the strip."""


class Enlarger:
    """Writes the luma of frames of one size from that of smaller ones.

    The network doubles the sides as often as the size needs; where that is not the very size, a
    Lanczos filter does the rest.

    Args:
        native: Size of what is enlarged.
        size: Of the frames.
        net: The network; that which is shipped if absent.
    """

    def __init__(self, native: Size, size: Size, net: Net | None = None) -> None:
        self._net = net or trained()
        self._times = doublings(native, size)
        self._exact = size == Size(native.width << self._times, native.height << self._times)
        self._to_size = VideoReformatter()

    def write(self, luma: Floats, target: Plane, bits: int, poll: Poll) -> None:
        """Fill a plane of code values, narrow range.

        Args:
            luma: `(h, w)` in 0-1, black to white.
            target: `(H, W)`, of a frame.
            bits: Of its code values.
            poll: What it raises leaves the plane unfinished.
        """
        for _ in range(self._times - 1):
            luma = self._doubled(luma, poll)
        if self._exact:
            self._last(luma, target, bits, poll)
            return
        layout = "gray" if bits == 8 else f"gray{bits}le"
        frame = av.VideoFrame(2 * luma.shape[1], 2 * luma.shape[0], layout)
        self._last(luma, samples(frame.planes[0]), bits, poll)
        # Both ends are declared alike, so that code values stay what they are.
        made = self._to_size.reformat(
            frame,
            target.shape[1],
            target.shape[0],
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=LANCZOS,
            threads=1,
        )
        target[...] = samples(made.planes[0])

    def _doubled(self, luma: Floats, poll: Poll) -> Floats:
        whole = np.empty((2 * luma.shape[0], 2 * luma.shape[1]), np.float32)

        def put(first: int, strip: Floats) -> None:
            whole[first : first + len(strip)] = strip

        self._strips(luma, put, poll)
        return whole

    def _last(self, luma: Floats, target: Plane, bits: int, poll: Poll) -> None:
        scale, base = np.float32(219 << bits - 8), np.float32((16 << bits - 8) + 0.5)

        def put(first: int, strip: Floats) -> None:
            strip *= scale
            strip += base
            target[first : first + len(strip)] = strip  # rounds: a half was added

        self._strips(luma, put, poll)

    def _strips(self, luma: Floats, put: Put, poll: Poll) -> None:
        plane = np.pad(luma, self._net.margin, mode="edge")
        rows, width = luma.shape

        def work(number: int) -> None:
            poll()
            first = number * STRIP_ROWS
            stop = min(rows, first + STRIP_ROWS)
            strip = np.empty((2 * (stop - first), 2 * width), np.float32)
            double_rows(plane, first, stop, self._net, strip)
            put(2 * first, strip)

        with crew(cores()) as share:
            share(work, -(-rows // STRIP_ROWS))
