"""What lies behind a field: open ground that fades into the mood's distance, and sky."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.core.crew import cores, crew
from models.image.render.backdrop import with_backdrop
from models.image.render.colors import Pixels
from models.image.render.grade import displayed
from models.image.render.lights import MOODS
from models.image.render.view import View
from models.media.size import Size
from models.video.backend import Floats, Lens
from models.video.flight import Moment
from models.video.nerf.frame import Frame
from models.video.pathtrace import view_of
from models.video.posed import plain
from models.video.setting import Setting

ROWS_A_PART: Final = 16
LONG_SIDE_PX: Final = 192
"""It is smooth, so it is computed small and enlarged."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Draws the background of frames.

    Attributes:
        setting: What is filmed.
        ground: Light of the open ground, `(3,)`.
    """

    setting: Setting
    ground: Floats

    def behind(self, moment: Moment, lens: Lens) -> "Backdrop":
        """The background of a frame."""
        scale = -(-max(lens.size) // LONG_SIDE_PX)
        size = Size(-(-lens.size.width // scale), -(-lens.size.height // scale))
        view = view_of(moment, lens, self.setting.subject.distance_m)
        scene = self.setting.style.dressed(self.setting.scene)
        depth = _plane_depth(view, size)
        light = np.broadcast_to(self.ground, (size.height, size.width, 3))
        corners = self.setting.boxes.reshape(-1, 3)
        light = with_backdrop(np.array(light), depth, scene, view, corners)
        light *= np.float32(2**moment.ev)
        grade = plain(self.setting.style.grade)
        return Backdrop(displayed(light, grade, MOODS[scene.light].level), lens.size)


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A small picture that stands for a large one.

    Attributes:
        small: `(h, w, 3)` sRGB in 0-1.
        size: What it stands for.
    """

    small: Pixels
    size: Size

    def behind(self, frame: Frame, sky: Floats, gain: float, first: int) -> Floats:
        """Rows of a field's picture with this as their background instead of one colour.

        Args:
            frame: Rows of a picture; its colours are changed in place.
            sky: `(3,)` the colour that they stand over.
            gain: Of the field's own light.
            first: Number of the topmost row in the whole picture.
        """
        from models.video.nerf.over import lay_over  # noqa: PLC0415  # compiles on first use

        rows, width = frame.alpha.shape
        down = _taps(self.small.shape[0], self.size.height, first, rows)
        across = _taps(self.small.shape[1], width, 0, width)
        small = np.ascontiguousarray(self.small, np.float32)

        def part(number: int) -> None:
            start = number * ROWS_A_PART
            stop = min(start + ROWS_A_PART, rows)
            lay_over(
                frame.rgb, frame.alpha, small, down, across, sky, np.float32(gain), start, stop
            )

        with crew(cores()) as share:
            share(part, -(-rows // ROWS_A_PART))
        return frame.rgb


Taps = tuple[NDArray[np.intp], NDArray[np.intp], Floats]


def _taps(count: int, length: int, first: int, wanted: int) -> Taps:
    """Which of `count` samples lie around each of some of `length` places, and the second's share."""
    places = np.arange(first, first + wanted)
    at = np.clip((places + 0.5) / length * count - 0.5, 0, count - 1)
    low = np.floor(at).astype(np.intp)
    return low, np.minimum(low + 1, count - 1), (at - low).astype(np.float32)


def _plane_depth(view: View, size: Size) -> Pixels:
    """Distance along each ray to the ground; 0 where there is none."""
    fall = -view.directions(size.width, size.height)[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(fall > 1e-5, view.eye[2] / fall, 0)
    return np.asarray(depth, np.float32)
