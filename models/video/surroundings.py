"""What lies behind a field: open ground that fades into the mood's distance, and sky."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.image.render.backdrop import with_backdrop
from models.image.render.colors import Pixels
from models.image.render.grade import displayed
from models.image.render.lights import MOODS
from models.image.render.view import View
from models.media.size import Size
from models.video.backend import Floats, Lens
from models.video.flight import Moment
from models.video.pathtrace import view_of
from models.video.posed import plain
from models.video.setting import Setting

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

    def rows(self, first: int, count: int) -> Floats:
        """Some rows of the large picture, `(count, W, 3)`, by linear interpolation."""
        below = _between(self.small, 0, self.size.height, np.arange(first, first + count))
        return _between(below, 1, self.size.width, np.arange(self.size.width))


def _between(picture: Pixels, axis: int, length: int, wanted: NDArray[np.intp]) -> Floats:
    count = picture.shape[axis]
    at = np.clip((wanted + 0.5) / length * count - 0.5, 0, count - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, count - 1)
    shape = [1, 1, 1]
    shape[axis] = len(wanted)
    share = (at - low).astype(np.float32).reshape(shape)
    mixed = np.take(picture, low, axis) * (1 - share) + np.take(picture, high, axis) * share
    return np.asarray(mixed, np.float32)


def _plane_depth(view: View, size: Size) -> Pixels:
    """Distance along each ray to the ground; 0 where there is none."""
    fall = -view.directions(size.width, size.height)[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(fall > 1e-5, view.eye[2] / fall, 0)
    return np.asarray(depth, np.float32)
