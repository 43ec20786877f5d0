"""Films out of frames that are painted one by one, kept in segments, and joined at the end."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.capability import Run
from models.core.errors import InvalidInput
from models.core.xmp import iso_box
from models.image.schema import Motion
from models.media.codecs import choose_encoder
from models.media.join import join
from models.media.reel import Reel, Shot
from models.media.size import Size

MEDIA_TYPE = "video/mp4"
PREVIEW_EVERY = 8
"""Frames."""

Paint = Callable[[int], NDArray[np.uint8]]
"""The frame of a number, `(H, W, 3)` sRGB."""


def film(
    paint: Paint, motion: Motion, size: tuple[int, int], folder: Path, xmp: bytes, run: Run
) -> bytes:
    """Frames as one file, H.264 in MP4.

    Frames that were finished before a crash are not painted again.

    Args:
        paint: Called once for each frame, in order.
        motion: Length and rate.
        size: Width and height of the frames.
        folder: For this film alone; its name follows from all that shapes the frames.
        xmp: Packet of provenance.
        run: Is polled, and told of the progress.

    Raises:
        Cancelled: Nobody waits for it any more; what is finished is kept.
        InvalidInput: A side is odd.
    """
    frame_size, rate = Size(*size), Fraction(motion.fps)
    if frame_size.width % 2 or frame_size.height % 2:
        raise InvalidInput("both sides of a film must be even")
    encoder = choose_encoder("h264", frame_size)
    reel = Reel(folder, Shot(encoder, frame_size, frame_size, rate, motion.frames))

    def source(number: int) -> Iterator[NDArray[np.uint8]]:
        run.check()
        run.progress(number / motion.frames, "film")
        yield paint(number)

    for _ in reel.shoot(source):
        run.check()
    target = folder / "film.mp4"
    join(reel.chunks(), target, "mp4", rate)
    content = target.read_bytes() + iso_box(xmp)
    reel.remove()
    run.progress(1.0, "done")
    return content
