"""Clips of path-traced scenes, whose every frame is known."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.scenes import shots
from models.core.capability import Run
from models.image.render.renderer import Renderer
from models.image.styles import style_named
from models.media.size import Size
from models.video.backend import Lens
from models.video.flight import Flight
from models.video.path import Preset
from models.video.pathtrace import TracedFootage
from models.video.presets import expand
from models.video.setting import set_up

Picture = NDArray[np.uint8]


class Clip(NamedTuple):
    """A camera's way through one of the scenes of `benchmarks.scenes`.

    Attributes:
        name: Of the clip.
        scene: Its number.
        preset: Of the camera.
        seconds: How long the whole way takes.
        first_s: When the frames begin.
    """

    name: str
    scene: int
    preset: str
    seconds: float
    first_s: float = 0.5


def traced(
    renderer: Renderer, clip: Clip, size: Size, fps: float, count: int, folder: Path
) -> Iterator[Picture]:
    """Consecutive frames `(H, W, 3)` of a clip, each kept in a folder once it is there."""
    shot = shots()[clip.scene]
    setting = set_up(shot.scene, style_named(shot.style), size, 0, folder)
    preset = Preset.model_validate({"preset": clip.preset})
    path = expand(preset, setting.subject, clip.seconds, fps, 0)
    footage = TracedFootage(renderer, setting, "standard", linear=False)
    flight, lens = Flight(path), Lens(size, size.width / size.height)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(round(clip.first_s * fps), round(clip.first_s * fps) + count):
        kept = folder / f"{clip.name}-{size.height}-{fps:g}-{number:04d}.png"
        if not kept.exists():
            print(f"tracing {kept.name}", file=sys.stderr)
            bands = footage.bands(flight.at_frame(number), lens, "rgb", Run())
            light = np.concatenate(list(bands))
            Image.fromarray((np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8)).save(kept)
        yield np.asarray(Image.open(kept))
