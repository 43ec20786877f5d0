"""What the provider's models make: sizes and lengths, by name.

Source: the types of Runway's SDK for Python, runwayml 5.24, `text_to_video_create_params` and
`image_to_video_create_params`; the lengths of Kling are of Runway's API reference.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.media.size import Size

FPS: Final = 24.0
"""Of its clips, as planned; the file that comes says what is true."""


@dataclass(frozen=True)
class Model:
    """One model of the provider.

    Attributes:
        text: Sizes of clips that begin with words; none if it needs a picture.
        image: Sizes of clips that begin with a picture.
        seconds: Lengths.
        seeded: Whether it takes a seed.
        sound: Whether it must be told to make none, which costs less.
    """

    text: tuple[Size, ...]
    image: tuple[Size, ...]
    seconds: tuple[int, ...]
    seeded: bool = True
    sound: bool = False

    def size(self, wanted: Size, *, image: bool) -> Size:
        """The nearest proportions, and of those the smallest that suffices."""
        offered = self.image if image else self.text

        def distance(size: Size) -> tuple[float, int, int]:
            turn = abs(math.log(size.width / size.height * wanted.height / wanted.width))
            short = size.width < wanted.width or size.height < wanted.height
            return round(turn, 2), int(short), -size.pixels if short else size.pixels

        return min(offered, key=distance)

    def length(self, seconds: float) -> int | None:
        """The shortest clip that lasts so long; `None` if none does."""
        return next((length for length in self.seconds if length >= seconds - 1e-6), None)


def _sizes(text: str) -> tuple[Size, ...]:
    return tuple(Size(*map(int, size.split(":"))) for size in text.split())


_GEN4 = _sizes("1280:720 720:1280 1104:832 960:960 832:1104 1584:672")
_VEO = _sizes("1280:720 720:1280 1080:1920 1920:1080")
_FULL_HD = _sizes("1920:1080 1080:1920 1440:1440")
_UHD = _sizes("3840:2160 2160:3840 2880:2880")
_TWO_TO_TEN = tuple(range(2, 11))
_FIVE_OR_TEN = (5, 10)

MODELS: Final[Mapping[str, Model]] = {
    "gen4.5": Model(_GEN4[:2], _GEN4, _TWO_TO_TEN),
    "gen4_turbo": Model((), _GEN4, _TWO_TO_TEN),
    "veo3.1": Model(_VEO, _VEO, (4, 6, 8), sound=True),
    "veo3.1_fast": Model(_VEO, _VEO, (4, 6, 8), sound=True),
    "kling3.0_pro": Model(_FULL_HD, _FULL_HD, _FIVE_OR_TEN, seeded=False, sound=True),
    "kling3.0_4k": Model(_UHD, _UHD, _FIVE_OR_TEN, seeded=False, sound=True),
    "klingO3_4k": Model(_UHD, _UHD, _FIVE_OR_TEN, seeded=False, sound=True),
}
"""By name; the first is the usual one."""
DEFAULT: Final = next(iter(MODELS))
