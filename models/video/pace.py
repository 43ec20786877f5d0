"""Pictures of a model at the rate of a clip: those between them are made by following what moves."""

import importlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.core.capability import Run
from models.core.durable import full_disk_is_named, write_atomically
from models.media.reel import FULL
from models.video.generator import Picture, Take
from models.video.schema import Interpolation, VideoRequest

if TYPE_CHECKING:
    from models.media.motion.follow import Followed

NOTES: Final = "motion.json"
"""What was found of every pair of pictures: an interrupted clip tells it all in the end."""
AT_ONCE: Final = Fraction(1, 24)
"""Of the time between two pictures: so near to one of them, that one is shown."""
SAME_RATE: Final = Fraction(1, 500)
HALF_WAY: Final = Fraction(1, 2)


class Pace:
    """Gives the picture of every frame; two of the model's pictures are alive at a time.

    Args:
        take: The model's pictures.
        request: Which rate is asked for, and whether pictures are made between.
        picture: One of the model's, as it is shown; asked with numbers that never fall.
        folder: Keeps what was found.
        run: Is polled.
    """

    def __init__(
        self,
        take: Take,
        request: VideoRequest,
        picture: Callable[[int], Picture],
        folder: Path,
        run: Run,
    ) -> None:
        self._picture, self._run = picture, run
        rate, numbers = request.rate, range(request.frames)
        self._places = (
            [Fraction(nearest(number, rate, take)) for number in numbers]
            if request.interpolate == "none"
            else [place_of(number, rate, take) for number in numbers]
        )
        self._notes = folder / NOTES
        self._pictures: dict[int, Picture] = {}
        self._pair = -1
        self._moved: Followed | None = None
        kept = json.loads(self._notes.read_bytes()) if self._notes.exists() else {}
        self._found: dict[int, float | None] = {int(key): share for key, share in kept.items()}

    def at(self, number: int) -> Picture:
        """The picture of a frame; numbers never fall."""
        place = self._places[number]
        first = int(place)
        if place == first:
            return self._kept(first)
        earlier, later = self._kept(first), self._kept(first + 1)
        motion = importlib.import_module("models.media.motion.follow")  # compiles
        if self._pair != first:
            self._moved = motion.follow(earlier, later, self._run.check)
            self._pair = first
            self._note(first, self._moved)
        if self._moved is None or motion.is_cut(self._moved):
            return earlier if place - first < HALF_WAY else later
        made: Picture = motion.between(earlier, later, self._moved, float(place - first))
        return made

    def told(self) -> Interpolation | None:
        """What the result says of it; nothing where every frame is a picture of the model."""
        between = [place for place in self._places if place.denominator > 1]
        if not between:
            return None
        cuts = sorted(number for number, share in self._found.items() if share is None)
        shares = [share for share in self._found.values() if share is not None]
        return Interpolation(
            frames=sum(int(place) not in cuts for place in between),
            cuts=tuple(number + 1 for number in cuts),
            followed=round(sum(shares) / len(shares), 3) if shares else None,
        )

    def forget(self) -> None:
        """The clip is kept: drop what a retry would have needed."""
        self._notes.unlink(missing_ok=True)

    def _kept(self, number: int) -> Picture:
        if number not in self._pictures:
            before = self._pictures.get(number - 1)
            self._pictures = {} if before is None else {number - 1: before}
            self._pictures[number] = self._picture(number)
        return self._pictures[number]

    def _note(self, number: int, moved: "Followed") -> None:
        motion = importlib.import_module("models.media.motion.follow")
        self._found[number] = None if motion.is_cut(moved) else round(moved.share, 4)
        with full_disk_is_named(FULL):
            write_atomically(self._notes, json.dumps(self._found, sort_keys=True).encode())


def place_of(number: int, rate: Fraction, take: Take) -> Fraction:
    """Where a frame lies among the model's pictures, which are at whole numbers.

    Places very near to a picture are moved onto it; behind the last one, it stays. Between rates as
    near as 24 and 23.976 nothing is made: the clip runs a thousandth slower or
    faster instead.
    """
    step = Fraction(take.fps).limit_denominator(1001) / rate
    place = number * (Fraction(1) if abs(step - 1) < SAME_RATE else step)
    whole = Fraction(round(place))
    return min(Fraction(take.frames - 1), whole if abs(place - whole) <= AT_ONCE else place)


def nearest(number: int, rate: Fraction, take: Take) -> int:
    """The picture that is shown in a frame: the one that has begun by then."""
    fps = Fraction(take.fps).limit_denominator(1001)
    return min(take.frames - 1, int(number * fps / rate))
