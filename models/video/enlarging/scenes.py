"""Path-traced pictures of scenes that nobody asked for, each at two sizes."""

from collections.abc import Iterator

import numpy as np

from models.image.render.grade import displayed
from models.image.render.renderer import Renderer
from models.image.scene.finishing import scene_of
from models.image.scene.staging import Stager
from models.image.schema import Scene
from models.image.styles import Style, style_named
from models.media.light import LUMA_709
from models.video.enlarging.patterns import Floats

SAMPLES = 5
STYLES = ("photo", "photo", "photo", "studio", "vivid", "golden-hour", "vintage", "noir")


def staged(count: int, seed: int) -> Iterator[tuple[Scene, Style]]:
    """Scenes, and the styles to show them in."""
    stager = Stager(seed)
    for number in range(count):
        brief = stager.brief()
        yield scene_of(brief, stager.stage(brief)), style_named(STYLES[number % len(STYLES)])


def traced(
    renderer: Renderer, scene: Scene, style: Style, side_px: int, seed: int
) -> tuple[Floats, Floats]:
    """Luma in 0-1 of a scene, `(side_px, side_px)`, and as it is traced at half the size."""
    large, small = (_luma(renderer, scene, style, side, seed) for side in (side_px, side_px // 2))
    return large, small


def _luma(renderer: Renderer, scene: Scene, style: Style, side_px: int, seed: int) -> Floats:
    rendering = renderer.render(scene, side_px, side_px, SAMPLES, seed, style)
    picture = displayed(rendering.color, style.grade, rendering.level)
    return np.asarray(picture @ LUMA_709, np.float32)
