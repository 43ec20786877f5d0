"""One segment: closed groups of pictures as fragments of an MP4 file (ISO/IEC 14496-12)."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Final

import av

from models.media.codecs import Encoder
from models.media.size import Size

BOX_HEADER_BYTES: Final = 8


@dataclass(frozen=True)
class Segment:
    """One fragment, or several.

    Attributes:
        init: What players read before any fragment; the same for all segments of a clip.
        media: The fragments themselves.
    """

    init: bytes
    media: bytes


def encode_segment(
    encoder: Encoder, size: Size, rate: Fraction, span: range, frames: Iterator[av.VideoFrame]
) -> Segment:
    """Encode some frames by encoders of their own, so that they depend on no others.

    Args:
        encoder: Writes them.
        size: Of the frames.
        rate: Frames per second.
        span: Numbers of the frames within the clip.
        frames: As many, with times counted from the start of the clip.
    """
    most = encoder.frames_each or len(span)
    parts = [
        _fragment(encoder, size, rate, first + 1, islice(frames, most)) for first in span[::most]
    ]
    return Segment(parts[0].init, b"".join(part.media for part in parts))


def _fragment(
    encoder: Encoder, size: Size, rate: Fraction, number: int, frames: Iterable[av.VideoFrame]
) -> Segment:
    sink = io.BytesIO()
    options = {
        "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
        "fragment_index": str(number),
        # Without these two each segment would start at time 0 again.
        "avoid_negative_ts": "disabled",
        "use_editlist": "0",
    }
    kind = "mov" if encoder.codec == "prores" else "mp4"
    with av.open(sink, "w", format=kind, options=options) as container:
        stream = encoder.opened(container, size, rate, key_every=1_000)
        for frame in frames:
            container.mux(stream.encode(frame))
            del frame  # before the next is painted: at 8K each takes up to 100 MB
        container.mux(stream.encode(None))
    data = sink.getbuffer()
    cut = _end_of_init(data)
    return Segment(bytes(data[:cut]), bytes(data[cut : _end_of_media(data)]))


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
