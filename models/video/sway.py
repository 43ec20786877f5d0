"""Flights by name for a single picture: none leaves the neighbourhood of its camera."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from models.core.seeds import numpy_generator
from models.video.path import CameraPath, Preset, PresetName
from models.video.presets import SHAKE_KEYS_PER_S, SHAKE_M, Place, Subject, path_through
from models.video.spline import Array

KEYS: Final = 16
ARC_RAD: Final = 0.06
"""Of an orbit to either side."""
ASIDE: Final = 0.06
"""To either side or height, in distances of the subject."""
AHEAD: Final = 0.25
"""Towards the subject, in distances of it."""
_UP: Final = np.array([0.0, 0.0, 1.0])


def sway(preset: Preset, subject: Subject, duration_s: float, fps: float, seed: int) -> CameraPath:
    """The path of a preset, gentle enough for a picture.

    Args:
        preset: Its name and amount.
        subject: What is looked at; its eye is the picture's camera.
        duration_s: How long it takes.
        fps: Frames per second.
        seed: Of the shaking hand.
    """
    places = list(_SHAPES[preset.preset](subject, preset.amount, duration_s, seed))
    loop = preset.preset in _CLOSED
    return path_through(
        places, preset, subject, duration_s, fps, loop=loop, eased=preset.preset in _EASED
    )


def _round(subject: Subject, amount: float, rise: float) -> Iterator[Place]:
    """To both sides and back; `rise` makes an eight of it."""
    for index in range(KEYS):
        angle = 2 * math.pi * index / KEYS
        turn = ARC_RAD * amount * math.sin(angle)
        arc = subject.offset * math.cos(turn)
        arc = arc + subject.right * subject.distance_m * math.sin(turn)
        lift = _UP * rise * amount * math.sin(2 * angle) * subject.distance_m
        yield index / KEYS, subject.centre + arc + lift, subject.centre, subject.fov_deg


def _orbit(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    yield from _round(subject, amount, 0.0)


def _figure_eight(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    yield from _round(subject, amount, ASIDE / 2)


def _straight(subject: Subject, start: Array, end: Array, *, along: bool) -> Iterator[Place]:
    """From one offset of the eye to another; `along` takes what is looked at with it."""
    for share, step in ((0.0, start), (1.0, end)):
        aside = step * subject.distance_m
        target = subject.centre + (aside if along else 0)
        yield share, subject.eye + aside, target, subject.fov_deg


def _truck(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    way = subject.right * ASIDE * amount
    yield from _straight(subject, -way, way, along=True)


def _crane(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    yield from _straight(subject, -_UP * ASIDE * amount, _UP * ASIDE * amount, along=False)


def _ahead(subject: Subject, share: float) -> Array:
    return np.asarray(-subject.offset / subject.distance_m * share)


def _push_in(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    end = _ahead(subject, min(AHEAD * amount, 0.7))
    yield from _straight(subject, np.zeros(3), end, along=False)


def _dolly(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    half = _ahead(subject, min(AHEAD / 2 * amount, 0.4))
    yield from _straight(subject, -half / 4, half, along=False)


def _dolly_zoom(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    half = math.tan(math.radians(subject.fov_deg / 2))
    for step in range(9):
        way = 1 + AHEAD * amount * step / 8
        fov = 2 * math.degrees(math.atan(half / way))
        yield step / 8, subject.centre + subject.offset * way, subject.centre, max(fov, 5.0)


def _spiral(subject: Subject, amount: float, _duration: float, _seed: int) -> Iterator[Place]:
    """Circles that become narrower while the camera comes nearer."""
    for index in range(KEYS + 1):
        share = index / KEYS
        angle, wide = 4 * math.pi * share, ASIDE * amount * (1 - share) * subject.distance_m
        aside = subject.right * math.sin(angle) + _UP * (math.cos(angle) - 1) / 2
        ahead = _ahead(subject, min(AHEAD * amount, 0.7) * share) * subject.distance_m
        yield share, subject.eye + wide * aside + ahead, subject.centre, subject.fov_deg


def _handheld(subject: Subject, amount: float, duration: float, seed: int) -> Iterator[Place]:
    count = max(2, round(duration * SHAKE_KEYS_PER_S))
    shake = numpy_generator(seed, "handheld").normal(size=(count + 1, 2, 3))
    for index in range(1, count + 1):  # each moment is near the one before
        shake[index] = 0.7 * shake[index - 1] + 0.7 * shake[index]
    shake *= SHAKE_M * amount * subject.distance_m
    for index in range(count + 1):
        eye, target = subject.eye + shake[index, 0], subject.centre + shake[index, 1]
        yield index / count, eye, target, subject.fov_deg


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
