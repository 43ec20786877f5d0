"""From pictures with poses and lenses to views."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.errors import InvalidInput, TooLarge
from models.video.camera import Camera
from models.video.nerf.sources.files import Files
from models.video.nerf.sources.pictures import (
    MAX_SIDE_PX,
    Lens,
    prepared,
    read_picture,
    size_within,
)
from models.video.nerf.views import MIN_VIEWS, Views, every_eighth

MAX_VIEWS = 300
MAX_TOTAL_PIXELS = 12_000_000
"""Of all pictures together: a fit keeps them in memory."""
RIGID = 1e-3


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture before it is read.

    Attributes:
        name: Of its file.
        pose: `(4, 4)` camera to world, looking down -z, y up.
        lens: Of the picture with the given size; called with the size where none is stated.
    """

    name: str
    pose: NDArray[np.float64]
    lens: Callable[[int, int], Lens]


def views_of_shots(
    files: Files,
    shots: list[Shot],
    held_out: set[str],
    check: Callable[[], None],
    degraded: tuple[str, ...] = (),
) -> Views:
    """Read the pictures.

    Args:
        files: Holds the pictures.
        shots: In the order of the file.
        held_out: Names; every eighth if there are none among the shots.
        check: Called between pictures.
        degraded: Passed on.

    Raises:
        InvalidInput: A picture, a pose or a lens cannot be used.
        TooLarge: There are too many.
    """
    if len(shots) > MAX_VIEWS:
        raise TooLarge(f"{len(shots)} pictures; at most {MAX_VIEWS}")
    if len(shots) < MIN_VIEWS:
        raise InvalidInput(f"{len(shots)} pictures with poses; at least {MIN_VIEWS} are needed")
    images, cameras, bent = [], [], False
    size: tuple[int, int] | None = None
    for shot in shots:
        check()
        picture = read_picture(files.read(shot.name), shot.name)
        if size is None:
            size = size_within(
                *picture.size, min(MAX_SIDE_PX, math.isqrt(MAX_TOTAL_PIXELS // len(shots)))
            )
        elif abs(picture.width / picture.height - size[0] / size[1]) > 0.02:
            raise InvalidInput(f"{shot.name!r} has another shape than the pictures before it")
        lens = shot.lens(*picture.size)
        bent = bent or lens.bends
        pixels, lens = prepared(picture, lens, size)
        images.append(pixels)
        cameras.append(_camera(shot, lens))
    named = {shot.name: number for number, shot in enumerate(shots)}
    chosen = tuple(sorted(named[name] for name in held_out & named.keys()))
    if not chosen or len(chosen) == len(shots):
        chosen = every_eighth(len(shots))
    notes = (*degraded, *(("lens distortion was removed from the pictures",) if bent else ()))
    return Views(np.stack(images), tuple(cameras), chosen, "photos", degraded=notes)


def _camera(shot: Shot, lens: Lens) -> Camera:
    turn = shot.pose[:3, :3]
    if not np.isfinite(shot.pose).all() or np.abs(turn @ turn.T - np.eye(3)).max() > RIGID:
        raise InvalidInput(f"the pose of {shot.name!r} is not a rotation and a translation")
    return Camera(
        shot.pose,
        2 * math.degrees(math.atan(0.5 * lens.height / lens.focal_y)),
        int(lens.width),
        int(lens.height),
        lens.focal_x / lens.focal_y,
        (lens.centre_x - lens.width / 2, lens.centre_y - lens.height / 2),
    )
