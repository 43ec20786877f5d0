"""How far a camera may move before it sees too much that a picture does not show."""

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image

from models.core.capability import Value
from models.media.size import Size
from models.video.backend import Lens
from models.video.camera import look_at
from models.video.fitted import camera_of
from models.video.flight import Flight
from models.video.layers.sight import Onlooker
from models.video.layers.stack import stack_of
from models.video.nerf.arrays import Bytes, Floats
from models.video.path import CameraPath, Keyframe
from models.video.presets import Subject
from models.video.spline import Array, quaternion, rotation, same_sign

LIMIT: Final = 0.08
"""Share of a frame's pixels that may be made up."""
SMALL_PX: Final = 320
"""Longer side of the picture and the frames by which that is measured."""
MOMENTS: Final = 12
"""Of a path that are looked at."""
HALVINGS, STEPS = 12, 4
NEARLY_THERE: Final = 0.7
"""How far the camera may go towards the nearest thing, as a share of its distance."""


class Reach(Value):
    """What became of a path.

    Attributes:
        path: As it is flown.
        motion: Share of the asked motion that it keeps.
        disoccluded: Share of made-up pixels in its worst frame.
    """

    path: CameraPath
    motion: float
    disoccluded: float


def within_reach(path: CameraPath, subject: Subject, scout: "Scout", nearest_m: float) -> Reach:
    """The path, with less of its motion where it shows too much that has to be made up.

    Args:
        path: As asked.
        subject: Its eye is the camera of the picture.
        scout: Tells the share of made-up pixels.
        nearest_m: Distance of the nearest thing.
    """
    farthest = max(float(np.linalg.norm(place - subject.eye)) for place in places(path))
    share = min(1.0, NEARLY_THERE * nearest_m / max(farthest, 1e-9))

    def tried(part: float) -> tuple[CameraPath, float]:
        moved = path if part == 1 else nearer(path, subject, part)
        return moved, scout.disoccluded(moved)

    found = tried(share)
    if found[1] <= LIMIT:
        return _reach(found, share)
    for _ in range(HALVINGS):
        share /= 2
        found = tried(share)
        if found[1] <= LIMIT:
            break
    step = share
    for _ in range(STEPS):
        step /= 2
        more = tried(share + step)
        if more[1] <= LIMIT:
            found, share = more, share + step
    return _reach(found, share)


def _reach(found: tuple[CameraPath, float], share: float) -> Reach:
    return Reach(path=found[0], motion=round(share, 4), disoccluded=round(found[1], 4))


class Scout:
    """Looks from a path at a small copy of a picture.

    Args:
        colour: `(H, W, 3)`.
        nearness: `(H, W)`.
        tangents: As in `stack_of`.
        pose: Of the picture's camera.
        frame: Size of the film's frames.
        check: Called before each look; may raise to stop.
    """

    def __init__(
        self,
        colour: Bytes,
        nearness: Floats,
        tangents: tuple[float, float],
        pose: Array,
        frame: Size,
        check: Callable[[], None],
    ) -> None:
        height, width = nearness.shape
        scale = min(1.0, SMALL_PX / max(height, width))
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        small = Image.fromarray(colour).resize(size, Image.Resampling.BOX)
        near = Image.fromarray(nearness).resize(size, Image.Resampling.NEAREST)
        stack = stack_of(np.asarray(small, np.uint8), np.asarray(near, np.float32), tangents)
        self._onlooker = Onlooker(stack, pose, threads=1)
        self._aspect, self._check = frame.width / frame.height, check
        scale = min(1.0, SMALL_PX / max(frame))
        self._size = Size(max(2, round(frame.width * scale)), max(2, round(frame.height * scale)))

    def disoccluded(self, path: CameraPath) -> float:
        """Share of made-up pixels in the worst of some frames, for either eye."""
        flight = Flight(path)
        count = min(MOMENTS, flight.frames)
        last = (flight.frames - 1) / path.fps
        apart = path.eye_distance_mm / 1000 if path.stereo != "none" else 0.0
        worst = 0.0
        for number in range(count):
            moment = flight.at(last * number / max(1, count - 1))
            for aside in (-apart / 2, apart / 2) if apart else (0.0,):
                self._check()
                camera = camera_of(moment, Lens(self._size, self._aspect, aside_m=aside))
                seen = self._onlooker.view(camera).band(range(self._size.height))
                worst = max(worst, float(seen.made.mean()))
        return worst


def places(path: CameraPath) -> Array:
    """Where the camera is at keyframes, `(N, 3)`."""
    return np.array(
        [key.position_m or [row[3] for row in (key.pose or ())[:3]] for key in path.keyframes]
    )


def nearer(path: CameraPath, subject: Subject, share: float) -> CameraPath:
    """The path with a share of its motion: at 0 it rests where the picture was taken from."""
    keys = tuple(_nearer(key, subject, share) for key in path.keyframes)
    apart = path.eye_distance_mm * share
    return path.model_copy(update={"keyframes": keys, "eye_distance_mm": round(apart, 4)})


def _nearer(key: Keyframe, subject: Subject, share: float) -> Keyframe:
    update: dict[str, object] = {
        "fov_deg": round(subject.fov_deg + share * (key.fov_deg - subject.fov_deg), 4),
        "roll_deg": round(share * key.roll_deg, 4),
    }
    if key.position_m is not None and key.look_at_m is not None:
        update["position_m"] = _between(subject.eye, np.array(key.position_m), share)
        update["look_at_m"] = _between(subject.centre, np.array(key.look_at_m), share)
    elif key.pose is not None:
        update["pose"] = _turned(np.array(key.pose), subject, share)
    return key.model_copy(update=update)


def _between(start: Array, end: Array, share: float) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) for value in start + share * (end - start))
    return x, y, z


def _turned(pose: Array, subject: Subject, share: float) -> tuple[tuple[float, ...], ...]:
    start = np.array(look_at(subject.eye, subject.centre))
    turns = same_sign(np.array([quaternion(start[:3, :3]), quaternion(pose[:3, :3])]))
    made = np.eye(4)
    made[:3, :3] = rotation(((1 - share) * turns[0] + share * turns[1])[None])[0]
    made[:3, 3] = start[:3, 3] + share * (pose[:3, 3] - start[:3, 3])
    return tuple(tuple(float(value) for value in row) for row in made)
