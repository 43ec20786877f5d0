"""What a finished file really holds, read back from it."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from models.media.size import Size


@dataclass(frozen=True)
class Facts:
    """Of the video in a file.

    Attributes:
        codec: FFmpeg's name.
        profile: Of the codec.
        size: Of the frames.
        rate: Frames per second.
        times: Of every frame, in frames; `0, 1, 2, ...` where none is missing.
        pixel_format: FFmpeg's name.
        transfer: Code point of ITU-T H.273: 1 is BT.709, 16 PQ.
        primaries: Code point: 1 is BT.709, 9 BT.2020.
        side_data: What the first frame carries beside its pixels, such as mastering metadata.
        size_bytes: Of the file.
    """

    codec: str
    profile: str
    size: Size
    rate: Fraction
    times: tuple[Fraction, ...]
    pixel_format: str
    transfer: int
    primaries: int
    side_data: tuple[str, ...]
    size_bytes: int

    @property
    def is_gapless(self) -> bool:
        """Whether every frame follows the one before after one frame's time."""
        return self.times == tuple(Fraction(number) for number in range(len(self.times)))


def read_back(path: Path, rate: Fraction) -> Facts:
    """Decode a whole file."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = "SLICE"
        times: list[Fraction] = []
        kinds: tuple[str, ...] = ()
        frame: Any
        for frame in file.decode(stream):
            if not times:
                kinds = tuple(sorted(data.type.name for data in frame.side_data))
                transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
            at = frame.pts * frame.time_base * rate
            # WebM counts milliseconds.
            times.append(Fraction(round(at)) if abs(at - round(at)) < Fraction(1, 20) else at)
        context = stream.codec_context
        return Facts(
            codec=context.name,
            profile=str(context.profile),
            size=Size(context.width, context.height),
            rate=Fraction(stream.average_rate or rate),
            times=tuple(times),
            pixel_format=str(context.pix_fmt),
            transfer=transfer,
            primaries=primaries,
            side_data=kinds,
            size_bytes=path.stat().st_size,
        )
