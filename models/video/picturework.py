"""Films of a picture whose depth is known: layers one behind another, and a camera nearby."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from models.core.artifacts import ArtifactStore
from models.core.capability import Run
from models.core.durable import write_atomically
from models.media.size import Size
from models.video.backend import Floats, Footage, Lens
from models.video.camera import look_at
from models.video.cost import LAYERS_POINTS
from models.video.fitted import bands_of, camera_of
from models.video.flight import Moment
from models.video.layers.reach import LIMIT, Reach, Scout, within_reach
from models.video.layers.reading import nearness_of, read_picture, resized
from models.video.layers.sight import Onlooker
from models.video.layers.stack import quantile, stack_of
from models.video.nerf.arrays import Bytes
from models.video.path import CameraPath, Preset
from models.video.picture import MAX_METRES, DeepPicture, Layered
from models.video.presets import Subject
from models.video.schema import EngineName, Output, VideoRequest, Views
from models.video.setting import Place
from models.video.spline import Array
from models.video.sway import sway

if TYPE_CHECKING:
    from models.video.layers.estimator import Estimator

ROOM: Final = 0.96
"""Share of the picture that presets show, so that they need not begin beyond its border."""
REACH_FILE: Final = "reach.json"
GROUND_M: Final = -MAX_METRES
"""Nobody knows where the ground is: a camera may go anywhere."""


@dataclass(frozen=True, eq=False)
class PicturePlace(Place):
    """What a picture shows; its camera is at the origin, looks along +y and is level.

    Attributes:
        colour: `(H, W, 3)` sRGB.
        nearness: `(H, W)` 1 / distance along the axis.
        tangents: Half the width and half the height of the picture at distance 1.
        frame: Size of the film's frames.
        depth: Where the depth is from.
        lacking: What had to be assumed.
        check: Stops what takes long.
    """

    colour: Bytes = field(repr=False)
    nearness: Floats = field(repr=False)
    tangents: tuple[float, float]
    frame: Size
    depth: str
    lacking: tuple[str, ...]
    check: Callable[[], None] = field(repr=False)

    def flight(self, preset: Preset, duration_s: float, fps: float) -> CameraPath:
        """See `Place`."""
        return sway(preset, self.subject, duration_s, fps, self.seed)

    def within(self, path: CameraPath) -> CameraPath:
        """See `Place`: the path with as much of its motion as the picture allows."""
        kept = self.folder / REACH_FILE
        if kept.exists():
            return Reach.model_validate_json(kept.read_bytes()).path
        scout = Scout(self.colour, self.nearness, self.tangents, self.pose, self.frame, self.check)
        nearest_m = 1 / max(quantile(self.nearness, 0.995), 1e-9)
        reach = within_reach(path, self.subject, scout, nearest_m)
        write_atomically(kept, reach.model_dump_json().encode())
        return reach.path

    def notes(self, path: CameraPath) -> tuple[str, ...]:
        """See `Place`."""
        reach = self.reach
        if reach.motion == 1:
            return self.lacking
        less = (
            f"the motion of the camera was reduced to {reach.motion:.1%} of what was asked for: "
            f"a frame may have at most {LIMIT:.0%} that the picture does not show"
        )
        return (*self.lacking, less)

    @cached_property
    def onlooker(self) -> Onlooker:
        """Draws frames."""
        return Onlooker(stack_of(self.colour, self.nearness, self.tangents, self.check), self.pose)

    @property
    def pose(self) -> Array:
        """Of the picture's camera."""
        return look_at(self.subject.eye, self.subject.centre)

    @property
    def reach(self) -> Reach:
        """What became of the path; after `within`."""
        return Reach.model_validate_json((self.folder / REACH_FILE).read_bytes())

    def layered(self) -> Layered:
        """See `Place`."""
        height, width = self.nearness.shape
        near, far = (quantile(self.nearness, share) for share in (0.995, 0.005))
        far_m = min(1 / max(far, 1 / MAX_METRES), MAX_METRES)
        return Layered(
            layers=len(self.onlooker.stack.nearness),
            resolution=(width, height),
            depth=self.depth,
            distances_m=(round(1 / max(near, 1e-9), 4), round(far_m, 4)),
            motion=self.reach.motion,
            disoccluded=self.reach.disoccluded,
        )


class LayerEngine:
    """The engine `layers`."""

    name: EngineName = "layers"

    def prepare(self, request: VideoRequest, place: PicturePlace, run: Run) -> Footage:
        """Take the picture apart; it takes a second or two, and nothing is kept of it."""
        run.progress(0.0, "layers")
        return LayerFootage(place.onlooker)


class LayerFootage:
    """A `Footage` of layers.

    Args:
        onlooker: Draws the frames.
    """

    linear = False
    views: Views | None = None
    held_out_psnr_db: float | None = None
    degraded: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()

    def __init__(self, onlooker: Onlooker) -> None:
        self._onlooker = onlooker

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        """See `Footage`."""
        camera = camera_of(moment, lens)
        view = self._onlooker.view(camera)
        for band in bands_of(lens.size):
            run.check()
            seen = view.band(band)
            if output == "rgb":
                yield seen.colour * np.float32(2 ** (moment.ev / 2.2) / 255)
                continue
            across, below = camera.lens(band.start, len(band), 0, 0, 0)
            length = np.sqrt(1 + across[None, :, 0] ** 2 + below[:, None, 1] ** 2)
            there = seen.nearness > 0
            metres = np.where(there, length / np.where(there, seen.nearness, 1), 0)
            yield np.repeat(metres[..., None], 3, -1).astype(np.float32)


def picture_place(
    asked: DeepPicture,
    frame: Size,
    seed: int,
    folders: tuple[Path, Path],
    store: ArtifactStore,
    estimator: "Callable[[], Estimator | None]",
    run: Run,
) -> PicturePlace:
    """Read the picture of a request.

    Args:
        asked: Which.
        frame: Size of the film's frames.
        seed: Of the path.
        folders: Of the clip, and of what serves other clips as well.
        store: Holds the files.
        estimator: Loads that of the machine; none if there is none.
        run: Whose files they are.

    Raises:
        InvalidInput: A file cannot be read, or there is no depth.
        TooLarge: It has too many pixels.
        UnknownAsset: The caller has no such asset.
    """
    picture, own = read_picture(asked, run.owner, store)
    height, width = picture.shape[:2]
    half, shorter = math.tan(math.radians(asked.fov_deg / 2)), min(width, height)
    tangents = (half * width / shorter, half * height / shorter)
    nearness, source, lacking = nearness_of(asked, own, picture, tangents, store, estimator, run)
    shown_y = min(tangents[1], tangents[0] * frame.height / frame.width) * ROOM
    scale = min(
        1.0,
        (frame.height / shown_y) / (height / tangents[1]),
        math.sqrt(LAYERS_POINTS / (width * height)),
    )
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    nearness = resized(nearness, size)
    colour = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS), np.uint8)
    distance = min(1 / max(float(np.median(_middle(nearness))), 1e-9), MAX_METRES / 2)
    fov = 2 * math.degrees(math.atan(shown_y))
    subject = Subject(
        np.array([0.0, distance, 0.0]), np.zeros(3), min(max(fov, 5.0), 120.0), GROUND_M
    )
    return PicturePlace(
        subject, np.zeros((0, 2, 3)), seed, *folders,
        colour, nearness, tangents, frame, source, lacking, run.check,
    )  # fmt: skip


def _middle(values: Floats) -> Floats:
    height, width = values.shape
    return values[height // 4 : height - height // 4, width // 4 : width - width // 4]
