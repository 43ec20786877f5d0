"""Flights by name, expanded to keyframes around what a scene shows."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.core.seeds import numpy_generator
from models.video.path import CameraPath, Keyframe, Preset, PresetName
from models.video.spline import Array, unit

ORBIT_KEYS: Final = 16
SHAKE_KEYS_PER_S: Final = 4.0
SHAKE_M: Final = 0.012
"""Of a steady hand, per metre of distance."""
LOWEST_M: Final = 0.05


@dataclass(frozen=True, eq=False)
class Subject:
    """What is filmed, and from where a photographer would take it.

    Attributes:
        centre: Middle of the objects, `(3,)` metres.
        eye: `(3,)`.
        fov_deg: Vertical.
        ground_m: Height that no camera goes below.
    """

    centre: Array
    eye: Array
    fov_deg: float
    ground_m: float = 0.0

    @property
    def offset(self) -> Array:
        """From the middle to the eye."""
        return np.asarray(self.eye - self.centre)

    @property
    def distance_m(self) -> float:
        """From the middle to the eye."""
        return float(np.linalg.norm(self.offset))

    @property
    def right(self) -> Array:
        """Unit vector to the right, as the eye sees it."""
        return unit(np.cross(-self.offset, [0.0, 0.0, 1.0]))


Place = tuple[float, Array, Array, float]
"""Share of the time, place of the eye, what it looks at, field of view."""


def expand(
    preset: Preset, subject: Subject, duration_s: float, fps: float, seed: int
) -> CameraPath:
    """The path of a preset.

    Args:
        preset: Its name and amount.
        subject: What it goes around.
        duration_s: How long it takes.
        fps: Frames per second.
        seed: Of the shaking hand.
    """
    places = list(_SHAPES[preset.preset](subject, preset.amount, duration_s, seed))
    loop = preset.preset in _CLOSED and _closes(preset)
    eased = preset.preset in _EASED
    return path_through(places, preset, subject, duration_s, fps, loop=loop, eased=eased)


def path_through(
    places: list[Place],
    preset: Preset,
    subject: Subject,
    duration_s: float,
    fps: float,
    *,
    loop: bool,
    eased: bool,
) -> CameraPath:
    """The path through the places of a preset, with all else that it says."""
    if preset.reverse:
        places = _reversed(places, loop)
    keys = tuple(
        Keyframe(
            time_s=round(share * duration_s, 6),
            position_m=_above(subject.ground_m, eye),
            look_at_m=_point(target),
            fov_deg=round(fov, 4),
        )
        for share, eye, target, fov in places
    )
    return CameraPath(
        duration_s=duration_s,
        fps=fps,
        loop=loop,
        easing="in-out" if eased else "none",
        projection=preset.projection,
        stereo=preset.stereo,
        shutter_deg=preset.shutter_deg,
        keyframes=keys,
    )


def named_in(prompt: str) -> PresetName:
    """The preset that a prompt speaks of; an orbit where it speaks of none."""
    words = prompt.lower()
    return next((name for name, pattern in _WORDS if re.search(pattern, words)), "orbit")


def _orbit(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    count = math.ceil(ORBIT_KEYS * amount)
    whole = float(amount).is_integer()
    for index in range(count if whole else count + 1):
        angle = 2 * math.pi * amount * index / count
        yield index / count, _turned(subject, angle), subject.centre, subject.fov_deg


def _dolly(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    for share, way in ((0.0, 1 + 0.5 * amount), (1.0, 1.0)):
        yield share, subject.centre + subject.offset * way, subject.centre, subject.fov_deg


def _push_in(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    for share, way in ((0.0, 1.0), (1.0, 1 - min(0.35 * amount, 0.7))):
        yield share, subject.centre + subject.offset * way, subject.centre, subject.fov_deg


def _truck(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    for share, side in ((0.0, -0.5), (1.0, 0.5)):
        aside = subject.right * side * amount * 0.6 * subject.distance_m
        yield share, subject.eye + aside, subject.centre + aside, subject.fov_deg


def _crane(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    low = subject.eye.copy()
    ground = subject.ground_m
    low[2] = ground + max(LOWEST_M, 0.35 * (subject.eye[2] - ground))
    high = subject.eye + np.array([0, 0, 0.6 * amount * subject.distance_m])
    for share, eye in ((0.0, low), (1.0, high)):
        yield share, eye, subject.centre, subject.fov_deg


def _dolly_zoom(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    """Vertigo: the subject keeps its size while the camera leaves and the lens closes in."""
    half = math.tan(math.radians(subject.fov_deg / 2))
    for step in range(9):
        way = 1 + amount * step / 8
        fov = 2 * math.degrees(math.atan(half / way))
        yield step / 8, subject.centre + subject.offset * way, subject.centre, max(fov, 5.0)


def _spiral(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    count = math.ceil(ORBIT_KEYS * amount)
    for index in range(count + 1):
        share = index / count
        eye = _turned(subject, 2 * math.pi * amount * share)
        eye = subject.centre + (eye - subject.centre) * (1.25 - 0.45 * share)
        lift = np.array([0, 0, 0.45 * subject.distance_m * (1 - share)])
        yield share, eye + lift, subject.centre, subject.fov_deg


def _handheld(subject: Subject, amount: float, duration: float, seed: int) -> Iterator[Place]:
    count = max(2, round(duration * SHAKE_KEYS_PER_S))
    shake = numpy_generator(seed, "handheld").normal(size=(count + 1, 2, 3))
    # A hand drifts: each moment is near the one before.
    for index in range(1, count + 1):
        shake[index] = 0.7 * shake[index - 1] + 0.7 * shake[index]
    shake *= SHAKE_M * amount * subject.distance_m
    for index in range(count + 1):
        eye, target = subject.eye + shake[index, 0], subject.centre + shake[index, 1]
        yield index / count, eye, target, subject.fov_deg


def _figure_eight(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    for index in range(ORBIT_KEYS):
        angle = 2 * math.pi * index / ORBIT_KEYS
        aside = 0.35 * amount * math.sin(angle)
        rise = 0.14 * amount * math.sin(2 * angle) * subject.distance_m
        eye = _turned(subject, aside) + np.array([0, 0, rise])
        yield index / ORBIT_KEYS, eye, subject.centre, subject.fov_deg


_Shape = Callable[[Subject, float, float, int], Iterator[Place]]
_SHAPES: Final[dict[PresetName, _Shape]] = {
    "orbit": _orbit,
    "dolly": _dolly,
    "truck": _truck,
    "crane": _crane,
    "dolly-zoom": _dolly_zoom,
    "spiral": _spiral,
    "push-in": _push_in,
    "handheld": _handheld,
    "figure-eight": _figure_eight,
}
_CLOSED: Final = frozenset({"orbit", "figure-eight"})
_EASED: Final = frozenset({"dolly", "truck", "crane", "dolly-zoom", "push-in", "spiral"})
_WORDS: Final[tuple[tuple[PresetName, str], ...]] = (
    ("dolly-zoom", r"\b(dolly.?zoom|vertigo|zolly)\b"),
    ("figure-eight", r"\b(figure.?(eight|8)|lemniscate)\b"),
    ("spiral", r"\b(spiral\w*|helix|corkscrew)\b"),
    ("crane", r"\b(crane|jib|rising shot|rises up|boom up)\b"),
    ("truck", r"\b(truck(ing)? shot|track(ing|s)? (left|right|shot)|slid(es|ing) past|sideways)\b"),
    ("push-in", r"\b(push(es|ing)?.?in|zoom(s|ing)? in|close in|move closer)\b"),
    ("dolly", r"\b(doll(y|ies)|approach(es|ing)?|fl(y|ies|ying) (in|towards?))\b"),
    ("handheld", r"\b(hand.?held|shaky|documentary)\b"),
    ("orbit", r"\b(orbit\w*|around|turntable|circl\w+|360)\b"),
)


def _closes(preset: Preset) -> bool:
    return preset.preset == "figure-eight" or float(preset.amount).is_integer()


def _turned(subject: Subject, angle: float) -> Array:
    """The eye, turned about the vertical through the middle, counter-clockwise from above."""
    x, y, z = subject.offset
    cos, sin = math.cos(angle), math.sin(angle)
    return np.asarray(subject.centre + np.array([cos * x - sin * y, sin * x + cos * y, z]))


def _reversed(places: list[Place], loop: bool) -> list[Place]:
    if loop:  # keeps its first keyframe, so that it begins where it would
        places = [places[0], *reversed(places[1:])]
        return [(i / len(places), *place[1:]) for i, place in enumerate(places)]
    return [(1 - share, *rest) for share, *rest in reversed(places)]  # type: ignore[misc]  # starred tuples lose their types


def _point(place: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) for value in place)
    return x, y, z


def _above(ground_m: float, eye: Array) -> tuple[float, float, float]:
    x, y, z = _point(eye)
    return x, y, max(z, ground_m + LOWEST_M)
