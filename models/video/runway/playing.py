"""A provider's file as pictures, one after the other; never all of them in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from models.core.errors import UpstreamUnavailable
from models.media.size import Size
from models.video.generator import Picture


class Player:
    """Decodes a file forwards.

    Args:
        path: Of the file.

    Attributes:
        size: Of its pictures.
        fps: Its rate.
        frames: How many there are.

    Raises:
        UpstreamUnavailable: It holds no video that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with av.open(str(path)) as file:
                stream = file.streams.video[0]
                self.size = Size(stream.codec_context.width, stream.codec_context.height)
                self.fps = float(stream.average_rate or 24)
                self.frames = sum(1 for packet in file.demux(stream) if packet.size)
        except (av.FFmpegError, IndexError, OSError) as error:
            raise UpstreamUnavailable("the provider sent something else than a video") from error
        if self.frames == 0:
            raise UpstreamUnavailable("the provider sent a video without a picture")
        self._pictures = self._decoded()
        self._number, self._shown = -1, np.empty(0, np.uint8)

    def picture(self, number: int) -> Picture:
        """One picture; numbers must not fall. The last is shown for those that are missing."""
        while self._number < number:
            following = next(self._pictures, None)
            if following is None:
                break
            self._number, self._shown = self._number + 1, following
        return self._shown

    def _decoded(self) -> Iterator[Picture]:
        frame: Any
        with av.open(str(self._path)) as file:
            stream: Any = file.streams.video[0]
            stream.thread_type = "SLICE"
            for frame in file.decode(stream):
                picture: Picture = frame.to_ndarray(format="rgb24")
                yield picture
