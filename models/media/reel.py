"""A clip under way: closed segments in a folder, each durable before the next is begun."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from models.core.durable import full_disk_is_named, make_folder, write_atomically
from models.media.canvas import Bands, Canvas
from models.media.codecs import Encoder
from models.media.formats import UpscalerName
from models.media.playlist import playlist
from models.media.poll import Poll, patience
from models.media.segment import encode_segment
from models.media.size import Size

INIT: Final = "init.mp4"
FULL: Final = (
    "the disk is full; finished segments are kept: free some space and ask for the same again"
)

Source = Callable[[int], Bands]
"""Paints the frame of a number."""


@dataclass(frozen=True)
class Shot:
    """What a reel holds.

    Attributes:
        encoder: Writes the segments.
        native: Size of what is painted.
        size: Size of the frames.
        rate: Frames per second.
        frames: How many in all.
        hdr: Whether bands hold linear light for HDR10.
        upscaler: What enlarges frames, where they are larger than what is painted.
    """

    encoder: Encoder
    native: Size
    size: Size
    rate: Fraction
    frames: int
    hdr: bool = False
    upscaler: UpscalerName = "lanczos"


def cuts(frames: int, rate: Fraction) -> tuple[int, ...]:
    """Where segments begin, and the end.

    The first segment is one frame and each next one twice as long until they last a second, so
    that something can be played as soon as a frame is there, however long frames take.
    """
    longest, length, places = max(1, round(rate)), 1, [0]
    while places[-1] < frames:
        places.append(min(frames, places[-1] + length))
        length = min(2 * length, longest)
    return tuple(places)


class Reel:
    """Segments in a folder; another process goes on behind the last closed one.

    Args:
        folder: For this shot alone; its name should follow from everything that shapes the frames.
        shot: What is filmed.
    """

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._folder, self._shot = folder, shot
        self._cuts = cuts(shot.frames, shot.rate)
        self._canvas = Canvas(
            shot.native,
            shot.size,
            shot.encoder.pixel_format,
            hdr=shot.hdr,
            upscaler=shot.upscaler,
        )
        make_folder(folder)

    @property
    def init(self) -> Path:
        """What players read first."""
        return self._folder / INIT

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        return self._folder / f"{number:05d}.m4s"

    @property
    def segments(self) -> int:
        """How many the whole has."""
        return len(self._cuts) - 1

    def span(self, number: int) -> range:
        """The frames of a segment."""
        return range(self._cuts[number], self._cuts[number + 1])

    def is_closed(self, number: int) -> bool:
        """Whether a segment is whole, whatever is missing before it."""
        return self.segment(number).exists() and self.init.exists()

    @property
    def closed(self) -> int:
        """Segments that are whole, up to the first that is not."""
        return next((n for n in range(self.segments) if not self.is_closed(n)), self.segments)

    @property
    def frames_closed(self) -> int:
        """Frames that are durable."""
        return self._cuts[self.closed]

    def shoot(self, source: Source, poll: Poll = patience) -> Iterator[int]:
        """Film what is missing; yields the number of each segment once it is durable.

        Args:
            source: Paints frames; called once for each, in order. What it raises ends the work
                and leaves the closed segments.
            poll: Called often where frames are enlarged for long; what it raises does the same.

        Raises:
            StorageFull: The disk is full; what was closed stays.
        """
        for number in range(self.closed, self.segments):
            self.film(number, source, poll)
            yield number

    def film(self, number: int, source: Source, poll: Poll = patience) -> None:
        """Film one segment, which needs no other, unless it is closed; see `shoot`."""
        if self.is_closed(number):
            return
        shot, span = self._shot, self.span(number)
        frames = self._frames(source, span, poll)
        made = encode_segment(shot.encoder, shot.size, shot.rate, span, frames)
        self.close(number, made.init, made.media)

    def close(self, number: int, init: bytes, media: bytes) -> None:
        """Keep a segment that was filmed, here or elsewhere.

        Raises:
            StorageFull: The disk is full.
        """
        with full_disk_is_named(FULL):
            if not self.init.exists():
                write_atomically(self.init, init)
            write_atomically(self.segment(number), media)

    def _frames(self, source: Source, span: range, poll: Poll) -> Iterator[av.VideoFrame]:
        for frame in span:
            yield self._canvas.frame(source(frame), frame, self._shot.rate, poll)

    def seconds(self, number: int) -> Fraction:
        """How long a segment lasts."""
        return (self._cuts[number + 1] - self._cuts[number]) / self._shot.rate

    def playlist(self, init: str, places: list[str]) -> str:
        """The playlist of the segments that lie at these places."""
        longest = Fraction(max(1, round(self._shot.rate))) / self._shot.rate
        parts = [(place, self.seconds(number)) for number, place in enumerate(places)]
        return playlist(init, parts, longest, ended=len(places) == self.segments)

    def chunks(self) -> Iterator[bytes]:
        """The closed segments as one fragmented file."""
        yield self.init.read_bytes()
        for number in range(self.closed):
            yield self.segment(number).read_bytes()

    def remove(self) -> None:
        """Drop the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
