"""The finished file: segments put together without encoding again."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from models.core.durable import full_disk_is_named
from models.media.formats import Container
from models.media.reel import FULL

MEDIA_TYPES: Final[dict[Container, str]] = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
}
HEVC_TAG: Final = "hvc1"
"""What Safari plays; FFmpeg writes `hev1` unless told."""

# FFmpeg decodes AV1 by libdav1d, which cannot be a template for a stream to write.
_BY_NAME: Final = {"libdav1d": "av1", "av1": "av1"}


def join(chunks: Iterator[bytes], target: Path, container: Container, rate: Fraction) -> None:
    """Write a file that can be played from any point; an index at its start where MP4 needs one.

    Raises:
        StorageFull: The disk is full.
    """
    options = {} if container == "webm" else {"movflags": "faststart", "use_editlist": "0"}
    with (
        full_disk_is_named(FULL),
        _opened(chunks) as whole,
        av.open(str(target), "w", format=container, options=options) as out,
    ):
        source = whole.streams.video[0]
        stream = _like(source, out)
        step = 1 / rate
        for packet in whole.demux(source):
            if packet.dts is None:
                continue
            packet.duration = round(step / packet.time_base)
            packet.stream = stream
            out.mux(packet)


def _opened(chunks: Iterator[bytes]) -> Any:  # noqa: ANN401 - PyAV's containers
    return av.open(_Stream(chunks))  # anything with read() can be opened


def _like(source: av.VideoStream, out: Any) -> Any:  # noqa: ANN401 - PyAV's streams
    name = _BY_NAME.get(source.codec_context.name)
    if name is None:
        stream = out.add_stream_from_template(source)
        if source.codec_context.name == "hevc":
            stream.codec_tag = HEVC_TAG
        return stream
    stream = out.add_mux_stream(
        name, rate=source.average_rate, width=source.width, height=source.height
    )
    stream.time_base = source.time_base
    return stream


class _Stream:
    """Chunks as a file that is read once, from start to end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def read(self, count: int) -> bytes:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = memoryview(chunk)
        given, self._left = self._left[:count], self._left[count:]
        return bytes(given)
