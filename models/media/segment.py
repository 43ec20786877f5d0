"""One segment: a closed group of pictures as a fragment of an MP4 file (ISO/IEC 14496-12)."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av

from models.media.codecs import Encoder
from models.media.size import Size

BOX_HEADER_BYTES: Final = 8
KEY_EVERY: Final = 1_000


@dataclass(frozen=True)
class Segment:
    """A fragment.

    Attributes:
        init: What players read before any fragment; the same for all segments of a clip.
        media: The fragment itself.
    """

    init: bytes
    media: bytes


def encode_segment(
    encoder: Encoder, size: Size, rate: Fraction, number: int, frames: Iterable[av.VideoFrame]
) -> Segment:
    """Encode some frames by an encoder of their own, so that they depend on no others.

    Args:
        encoder: Writes them.
        size: Of the frames.
        rate: Frames per second.
        number: Of the segment within the clip, from 0.
        frames: With times counted from the start of the clip.
    """
    sink = io.BytesIO()
    options = {
        "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
        "fragment_index": str(number + 1),
        # Without these two each segment would start at time 0 again.
        "avoid_negative_ts": "disabled",
        "use_editlist": "0",
    }
    kind = "mov" if encoder.codec == "prores" else "mp4"
    with av.open(sink, "w", format=kind, options=options) as container:
        stream = encoder.opened(container, size, rate, key_every=KEY_EVERY)
        context = stream.codec_context
        for count, frame in enumerate(frames):
            if encoder.frames_each and count and count % encoder.frames_each == 0:
                _mux(container, stream, context.encode(None))
                # The former gives its memory back before this one takes any.
                context = None
                context = encoder.successor(size, rate, key_every=KEY_EVERY)
            _mux(container, stream, context.encode(frame))
        _mux(container, stream, context.encode(None))
    data = sink.getbuffer()
    cut = _end_of_init(data)
    return Segment(bytes(data[:cut]), bytes(data[cut : _end_of_media(data)]))


def _mux(container: Any, stream: Any, packets: Iterable[Any]) -> None:  # noqa: ANN401 - PyAV's
    for packet in packets:
        packet.stream = stream
        container.mux(packet)


def _end_of_init(data: memoryview) -> int:
    return next(start for start, kind, _ in _boxes(data) if kind == b"moof")


def _end_of_media(data: memoryview) -> int:
    """Behind the last `mdat`: the index that follows in a whole file has no meaning in a part."""
    return max(end for _, kind, end in _boxes(data) if kind == b"mdat")


def _boxes(data: memoryview) -> list[tuple[int, bytes, int]]:
    """Start, type and end of every top-level box."""
    found, start = [], 0
    while start + BOX_HEADER_BYTES <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        if length == 1:  # a 64-bit size follows
            length = int.from_bytes(data[start + 8 : start + 16], "big")
        found.append((start, bytes(data[start + 4 : start + 8]), start + length))
        start += length
    return found
