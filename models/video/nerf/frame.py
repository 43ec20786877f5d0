"""What a field renders."""

from dataclasses import dataclass
from typing import Protocol

from models.video.camera import Camera
from models.video.nerf.arrays import Floats


@dataclass(frozen=True, eq=False)
class Frame:
    """Some rows of a picture.

    Attributes:
        rgb: `(rows, W, 3)` sRGB in 0-1, over the field's background.
        alpha: `(rows, W)` how much of the light behind the field it holds back, 0-1.
        depth: `(rows, W)` metres along the ray to what is seen; 0 where nothing is.
    """

    rgb: Floats
    alpha: Floats
    depth: Floats


class Field(Protocol):
    """A scene that can be looked at from anywhere."""

    def render(self, camera: Camera, rows: range) -> Frame:
        """The given rows of the camera's picture; the rows of a whole are the whole's rows."""
        ...
