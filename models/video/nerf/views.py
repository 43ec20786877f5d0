"""Posed pictures of one scene: what a field is fitted to and judged by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import InvalidInput
from models.video.camera import Camera
from models.video.nerf.arrays import FULL, Floats, Pinholes

MIN_VIEWS = 4
HELD_OUT_EVERY = 8


@dataclass(frozen=True, eq=False)
class Views:
    """Posed pictures of equal size.

    Attributes:
        images: `(n, h, w, 4)` RGBA in sRGB, colour not multiplied by alpha; float32 in 0-1, or
            integers over their full range.
        cameras: One for each.
        held_out: Indices of the views that a field is judged by and never fitted to.
        source: Where they come from, such as `photos` or `scene`.
        sky: `(rows, columns, 3)` known colours behind everything, as a map of latitude (+z first)
            and longitude (from +x towards +y); none where they have to be found out.
        degraded: What the caller should know of how they were read.
    """

    images: NDArray[Any]
    cameras: tuple[Camera, ...]
    held_out: tuple[int, ...]
    source: str
    sky: Floats | None = None
    degraded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.images)
        if count < MIN_VIEWS or len(self.cameras) != count:
            raise InvalidInput(
                f"{count} pictures with {len(self.cameras)} cameras: at least {MIN_VIEWS} "
                "pictures are needed, each with its camera"
            )
        if not set(self.held_out) < set(range(count)):
            raise InvalidInput("the held-out views must be some of the views, not all")

    @property
    def fitted(self) -> tuple[int, ...]:
        """Indices of the views that a field is fitted to."""
        return tuple(n for n in range(len(self.images)) if n not in set(self.held_out))

    @property
    def opaque(self) -> bool:
        """Whether no picture says what is object and what is background."""
        full = 1 if self.images.dtype.kind == "f" else np.iinfo(self.images.dtype).max
        return bool(self.images[..., 3].min() >= full)

    def rgba(self, view: int) -> Floats:
        """One picture, `(h, w, 4)` in 0-1."""
        image = self.images[view]
        if image.dtype.kind == "f":
            return np.asarray(image, np.float32)
        return np.asarray(image, np.float32) / np.float32(np.iinfo(image.dtype).max)

    def pinholes(self) -> Pinholes:
        """The views that a field is fitted to, as the kernels need them."""
        cameras = [self.cameras[view] for view in self.fitted]
        pixels = np.stack([_sixteen_bits(self.images[view]) for view in self.fitted])
        return Pinholes(
            pixels,
            np.stack([np.asarray(camera.pose[:3], np.float32) for camera in cameras]),
            np.array([(c.focal_px * c.stretch, c.focal_px) for c in cameras], np.float32),
            np.array(
                [(c.width / 2 + c.shift_px[0], c.height / 2 + c.shift_px[1]) for c in cameras],
                np.float32,
            ),
        )


def every_eighth(count: int) -> tuple[int, ...]:
    """The views to hold out where nobody says which."""
    return tuple(range(0, count, HELD_OUT_EVERY)) if count > HELD_OUT_EVERY else (count - 1,)


def _sixteen_bits(image: NDArray[Any]) -> NDArray[np.uint16]:
    if image.dtype == np.uint16:
        return np.asarray(image, np.uint16)
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint16) * np.uint16(257)
    return np.asarray(np.round(np.clip(image, 0, 1) * FULL), np.uint16)
