"""What an engine gives: pictures of a scene from anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.core.capability import Run
from models.media.size import Size
from models.video.camera import Projection
from models.video.flight import Moment
from models.video.schema import EngineName, Output, VideoRequest, Views
from models.video.setting import Setting

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lens:
    """How a moment becomes a picture.

    Attributes:
        size: Of the picture.
        aspect: Width over height of what is seen; pixels are squeezed where `size` differs.
        projection: Of the camera.
        aside_m: To the right of the camera, as one of two eyes.
    """

    size: Size
    aspect: float
    projection: Projection = "perspective"
    aside_m: float = 0.0


class Footage(Protocol):
    """A scene that an engine has prepared.

    Attributes:
        linear: Whether `rgb` bands hold linear light, diffuse white being 1, instead of sRGB.
        views: What a field was fitted to.
        held_out_psnr_db: On views kept from the fit.
        degraded: What was lacking, and what that cost.
        kept: Files of what frames have in common, in a folder of `Place.fields`: where they lie
            already, nothing needs to be prepared.
    """

    linear: bool
    views: Views | None
    held_out_psnr_db: float | None
    degraded: tuple[str, ...]
    kept: tuple[Path, ...]

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        """A picture as bands `(even, W, 3)` from top to bottom.

        Depth is metres and alpha 0-1, in three equal channels. Polls `run` within a second.
        """
        ...


class Engine(Protocol):
    """Prepares scenes."""

    name: EngineName

    def prepare(self, request: VideoRequest, setting: Setting, run: Run) -> Footage:
        """Whatever frames need in common; finished parts are kept, so that a retry goes on."""
        ...
