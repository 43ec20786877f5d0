"""A path in motion: the camera at every moment."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.core.errors import InvalidInput
from models.video.camera import look_at
from models.video.path import CameraPath, Easing, Keyframe
from models.video.spline import (
    Array,
    kochanek_bartels,
    monotone,
    quaternion,
    rotation,
    same_sign,
)

NEAREST_M: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Moment:
    """The camera at one time.

    Attributes:
        pose: Camera to world, `(4, 4)`.
        fov_deg: Vertical.
        focus_m: Distance of what is sharp; infinite where all is.
        aperture_m: Diameter of the lens; 0 where all is sharp.
        ev: Exposure in stops.
    """

    pose: Array
    fov_deg: float
    focus_m: float
    aperture_m: float
    ev: float


class Flight:
    """Evaluates a path.

    Args:
        path: Where it goes.
    """

    def __init__(self, path: CameraPath) -> None:
        self._path = path
        keys = path.keyframes
        self._times = np.array([key.time_s for key in keys])
        self._looks = all(key.look_at_m is not None for key in keys)
        self._places = np.array([_pose(key)[:3, 3] for key in keys])
        if self._looks:
            self._targets = np.array([key.look_at_m for key in keys], float)
        else:
            turns = np.array([quaternion(_pose(key)[:3, :3]) for key in keys])
            self._turns = same_sign(turns)

    @property
    def frames(self) -> int:
        """How many there are."""
        return max(1, round(self._path.duration_s * self._path.fps))

    def at_frame(self, number: int, part: float = 0.0) -> Moment:
        """The camera at a frame; `part` of 1 is the next frame, less is within motion blur."""
        return self.at((number + part) / self._path.fps)

    def at(self, time_s: float) -> Moment:
        """The camera at a time; a loop begins again, another path stays at its end."""
        path = self._path
        time_s = time_s % path.duration_s if path.loop else min(time_s, path.duration_s)
        time_s = eased(time_s / path.duration_s, path.easing) * path.duration_s
        place = self._place_along(time_s)
        position = self._curve(self._places, place)
        pose = np.eye(4)
        if self._looks:
            pose = self._looking(position, self._curve(self._targets, place), time_s)
        else:
            turns = self._turns
            if path.loop and turns[-1] @ turns[0] < 0:
                # Going round once may end on the other side of the sphere of quaternions.
                turns = np.concatenate([turns, -turns])
            pose[:3, :3] = rotation(self._curve(turns, place)[None])[0]
            pose[:3, 3] = position
        keys = path.keyframes
        focus = [key.focus_m or math.inf for key in keys]
        sharp = any(math.isinf(one) for one in focus)
        return Moment(
            pose=pose,
            fov_deg=self._value([key.fov_deg for key in keys], time_s),
            focus_m=math.inf if sharp else self._value(focus, time_s),
            aperture_m=self._value([key.aperture_mm / 1000 for key in keys], time_s),
            ev=self._value([key.ev for key in keys], time_s),
        )

    def _place_along(self, time_s: float) -> float:
        """Keyframes passed by this time, with a share of the next."""
        times, index = self._times, np.arange(len(self._times), dtype=float)
        if self._path.loop:
            # One round before and after, so that speed is continuous where the loop closes.
            length, count = self._path.duration_s, len(times)
            times = np.concatenate([times - length, times, times + length])
            index = np.arange(-count, 2 * count, dtype=float)
        return float(monotone(times, index, np.array([time_s]))[0])

    def _curve(self, points: Array, place: float) -> Array:
        spline, closed = self._path.spline, self._path.loop
        if closed:
            place %= len(points)
        curve = kochanek_bartels(
            points,
            np.array([place]),
            spline.tension,
            spline.continuity,
            spline.bias,
            closed=closed,
        )
        return np.asarray(curve[0])

    def _looking(self, position: Array, target: Array, time_s: float) -> Array:
        if np.linalg.norm(target - position) < NEAREST_M:
            raise InvalidInput(f"at {time_s:.2f} s the camera passes through what it looks at")
        pose = np.array(look_at(position, target))
        roll = math.radians(self._value([key.roll_deg for key in self._path.keyframes], time_s))
        turn = np.eye(3)
        turn[:2, :2] = [[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]]
        pose[:3, :3] = pose[:3, :3] @ turn
        return pose

    def _value(self, values: list[float], time_s: float) -> float:
        times, known = self._times, np.array(values, float)
        if self._path.loop:
            times = np.append(times, times[0] + self._path.duration_s)
            known = np.append(known, known[0])
        return float(monotone(times, known, np.array([time_s]))[0])


def eased(share: float, easing: Easing) -> float:
    """Share of the way at a share of the time: slow at the start, the end, or both."""
    if easing == "in":
        return share**2
    if easing == "out":
        return 1 - (1 - share) ** 2
    if easing == "in-out":
        return share * share * (3 - 2 * share)
    return share


def _pose(key: Keyframe) -> Array:
    if key.pose is not None:
        return np.array(key.pose)
    assert key.position_m is not None and key.look_at_m is not None  # noqa: S101, PT018 - validated
    pose = np.array(look_at(np.array(key.position_m), np.array(key.look_at_m)))
    roll = math.radians(key.roll_deg)
    turn = np.eye(3)
    turn[:2, :2] = [[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]]
    pose[:3, :3] = pose[:3, :3] @ turn
    return pose
