"""The path of a camera: what a request holds and a result gives back."""

import itertools
from typing import Annotated, Final, Literal, Self, TypeAlias

import numpy as np
from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from models.core.capability import Value
from models.video.camera import Projection

MAX_KEYFRAMES: Final = 2000
MAX_DURATION_S: Final = 120.0
RIGID_TO: Final = 1e-4

Real = Annotated[float, Field(allow_inf_nan=False)]
Metre = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]
Point: TypeAlias = tuple[Metre, Metre, Metre]
Row: TypeAlias = tuple[Real, Real, Real, Real]
Angle = Annotated[float, Field(ge=5, le=120)]
Stereo: TypeAlias = Literal["none", "side-by-side", "top-bottom"]
Easing: TypeAlias = Literal["none", "in", "out", "in-out"]
PresetName: TypeAlias = Literal[
    "orbit", "dolly", "truck", "crane", "dolly-zoom", "spiral", "push-in", "handheld",
    "figure-eight",
]  # fmt: skip


def _rigid(pose: tuple[Row, Row, Row, Row]) -> tuple[Row, Row, Row, Row]:
    matrix = np.array(pose)
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > RIGID_TO or np.linalg.det(turn) < 0:
        raise ValueError("the first three columns must be a rotation")
    if np.abs(matrix[3] - [0, 0, 0, 1]).max() > RIGID_TO or np.abs(matrix[:3, 3]).max() > 1000:
        raise ValueError("the last row must be 0 0 0 1, and the place within 1000 m")
    return pose


Pose = Annotated[
    tuple[Row, Row, Row, Row],
    AfterValidator(_rigid),
    Field(description="camera to world, row by row: x right, y up, looking down -z"),
]


class Spline(Value):
    """How the path bends at its keyframes (Kochanek and Bartels 1984)."""

    tension: float = Field(0, ge=-1, le=1, description="1 stops at keyframes")
    continuity: float = Field(0, ge=-1, le=1, description="-1 makes corners")
    bias: float = Field(0, ge=-1, le=1, description="1 overshoots")


class Keyframe(Value):
    """Where the camera is at a time: a pose, or a place and what it looks at."""

    time_s: float = Field(ge=0, le=MAX_DURATION_S)
    position_m: Point | None = None
    look_at_m: Point | None = None
    roll_deg: float = Field(0, ge=-360, le=360)
    pose: Pose | None = None
    fov_deg: Angle = Field(45, description="vertical")
    focus_m: float | None = Field(None, gt=0, le=1000, description="what is sharp; absent: all is")
    aperture_mm: float = Field(0, ge=0, le=200, description="diameter; 0 has no blur")
    ev: float = Field(0, ge=-8, le=8, description="exposure, stops")

    @model_validator(mode="after")
    def _one_way_to_be_somewhere(self) -> Self:
        if (self.pose is None) == (self.position_m is None):
            raise ValueError("give a pose, or position_m with look_at_m")
        if self.pose is None and self.look_at_m is None:
            raise ValueError("position_m needs look_at_m")
        if self.pose is not None and self.look_at_m is not None:
            raise ValueError("a pose looks where it looks: leave look_at_m out")
        if self.position_m is not None and self.position_m == self.look_at_m:
            raise ValueError("the camera cannot look at its own place")
        return self


class CameraPath(Value):
    """A flight; z is up, lengths are metres."""

    version: Literal[1] = 1
    duration_s: float = Field(gt=0, le=MAX_DURATION_S)
    fps: float = Field(24, ge=1, le=120)
    loop: bool = Field(False, description="return to the first keyframe at duration_s")
    easing: Easing = "none"
    projection: Projection = "perspective"
    stereo: Stereo = "none"
    eye_distance_mm: float = Field(64, ge=0, le=500)
    shutter_deg: float = Field(0, ge=0, le=360, description="motion blur; 180 is film's")
    spline: Spline = Spline()
    keyframes: tuple[Keyframe, ...] = Field(min_length=1, max_length=MAX_KEYFRAMES)

    @model_validator(mode="after")
    def _times_rise(self) -> Self:
        times = [key.time_s for key in self.keyframes]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise ValueError("the times of keyframes must rise")
        if times[-1] > self.duration_s or (self.loop and times[-1] >= self.duration_s):
            raise ValueError("keyframes must lie within duration_s, and before it in a loop")
        return self


class Preset(Value):
    """A flight by name, around what the scene shows."""

    preset: PresetName
    amount: float = Field(1, gt=0, le=4, description="of the usual way, angle or shake")
    reverse: bool = False
    projection: Projection = "perspective"
    stereo: Stereo = "none"
    shutter_deg: float = Field(0, ge=0, le=360, description="motion blur; 180 is film's")


class NerfstudioCamera(Value):
    """One camera of nerfstudio's path."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    camera_to_world: tuple[Real, ...] = Field(min_length=16, max_length=16)
    fov: float = Field(50, ge=5, le=120)
    aspect: float = Field(1, gt=0)


class NerfstudioPath(Value):
    """nerfstudio's `camera_path.json`; what it holds for its editor is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    camera_type: Literal["perspective", "equirectangular"] = "perspective"
    camera_path: tuple[NerfstudioCamera, ...] = Field(min_length=1, max_length=MAX_KEYFRAMES)
    fps: float = Field(24, ge=1, le=120)
    seconds: float = Field(gt=0, le=MAX_DURATION_S)
    render_width: int = Field(1920, ge=2)
    render_height: int = Field(1080, ge=2)
    is_cycle: bool = False


def _meant(camera: object) -> str:
    """Which kind a camera is meant to be, so that a fault is told of that kind alone."""
    if isinstance(camera, NerfstudioPath) or (isinstance(camera, dict) and "camera_path" in camera):
        return "nerfstudio"
    if isinstance(camera, Preset) or (isinstance(camera, dict) and "preset" in camera):
        return "preset"
    return "path"


Camera: TypeAlias = Annotated[
    Annotated[CameraPath, Tag("path")]
    | Annotated[Preset, Tag("preset")]
    | Annotated[NerfstudioPath, Tag("nerfstudio")],
    Discriminator(_meant),
]
"""What a request may hold."""
