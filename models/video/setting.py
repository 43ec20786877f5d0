"""What is filmed, and where it may be filmed from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.core.errors import InvalidInput
from models.image.render.colors import Pixels
from models.image.render.view import fit
from models.image.render.world import pieces
from models.image.schema import Camera as SceneCamera
from models.image.schema import Scene
from models.image.styles import Style
from models.media.size import Size
from models.video.path import CameraPath, Preset
from models.video.picture import Layered
from models.video.presets import Subject, expand
from models.video.spline import Array

DIRECTIONS = 8
SKIN = 0.9
"""Share of an object's box that counts as its inside: boxes of round things have empty corners."""


@dataclass(frozen=True, eq=False)
class Place:
    """Somewhere to film.

    Attributes:
        subject: What flights go around.
        boxes: Lower and upper corners of the objects, `(N, 2, 3)` metres.
        seed: Of all random numbers.
        folder: Keeps what belongs to the clip.
        fields: Keeps fields, which serve other clips of the same as well.
    """

    subject: Subject
    boxes: Array
    seed: int
    folder: Path
    fields: Path

    def flight(self, preset: Preset, duration_s: float, fps: float) -> CameraPath:
        """The path of a preset."""
        return expand(preset, self.subject, duration_s, fps, self.seed)

    def within(self, path: CameraPath) -> CameraPath:
        """The path, as far as it can be filmed here."""
        return path

    def layered(self) -> Layered | None:
        """How layers of a picture are filmed, where it is one."""
        return None

    def notes(self, _path: CameraPath) -> tuple[str, ...]:
        """What a caller should know of frames along a path."""
        return ()


@dataclass(frozen=True, eq=False)
class Setting(Place):
    """A scene to be filmed.

    Attributes:
        scene: As composed or given.
        style: Its look.
    """

    scene: Scene
    style: Style


def set_up(
    scene: Scene, style: Style, size: Size, seed: int, folder: Path, fields: Path | None = None
) -> Setting:
    """A scene with room for the camera on all sides; `fields` is in `folder` unless it is given."""
    dressed = style.dressed(scene)
    parts = [part.triangles.positions for part in pieces(dressed, accents=style.accents)]
    points = np.concatenate(parts)  # (N, 3)
    boxes = np.array([(part.min(0), part.max(0)) for part in parts], float)
    subject = _subject(dressed.camera, points, size)
    return Setting(subject, boxes, seed, folder, fields or folder / "fields", scene, style)


def check_clear(path: CameraPath, setting: Setting) -> None:
    """Refuse a path with a keyframe inside something.

    Raises:
        InvalidInput: A camera is in an object or under the ground.
    """
    low, high = setting.boxes[:, 0], setting.boxes[:, 1]
    middle, half = (low + high) / 2, (high - low) / 2 * SKIN
    for index, key in enumerate(path.keyframes):
        place = np.array(key.position_m or [row[3] for row in (key.pose or ())[:3]])
        if place[2] < 0:
            raise InvalidInput(f"camera/keyframes/{index} is under the ground: z is {place[2]:.2f}")
        if (np.abs(place - middle) < half).all(1).any():
            raise InvalidInput(f"camera/keyframes/{index} is inside an object")


def _subject(camera: SceneCamera, points: Pixels, size: Size) -> Subject:
    """From as far away as the widest side of the objects needs, so that all sides fit."""
    turns = [camera.azimuth_deg + 360 * index / DIRECTIONS for index in range(DIRECTIONS)]
    turned = [camera.model_copy(update={"azimuth_deg": (turn + 180) % 360 - 180}) for turn in turns]
    views = [fit(one, points, *size) for one in turned]
    centre = (points.min(0) + points.max(0)) / 2
    distance = max(view.distance_m for view in views)
    eye = centre - views[0].ahead * distance
    fov = 2 * float(np.degrees(np.arctan(views[0].tangent_y)))
    return Subject(centre.astype(float), eye.astype(float), min(max(fov, 5.0), 120.0))
