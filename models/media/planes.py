"""Samples of a frame as arrays."""

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray


def samples(plane: av.video.plane.VideoPlane) -> NDArray[Any]:
    """A plane's samples without the padding of its rows; writing to them writes to the frame."""
    deep = plane.line_size >= 2 * plane.width
    buffer: Any = plane  # which PyAV does not declare to be one
    whole: NDArray[Any] = np.frombuffer(buffer, np.uint16 if deep else np.uint8)
    rows = whole.reshape(-1, plane.line_size // whole.itemsize)
    return rows[: plane.height, : plane.width]
