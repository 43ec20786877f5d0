"""What the tracer sees through lenses, all around, and of depth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.core.capability import Run
from models.image.render import Renderer
from models.image.schema import Scene, SceneObject
from models.image.styles import style_named
from models.media.size import Size
from models.video.backend import Floats, Lens
from models.video.camera import look_at
from models.video.flight import Moment
from models.video.pathtrace import PathTracer
from models.video.schema import Output, VideoRequest
from models.video.setting import Setting, set_up

SIZE = Size(64, 64)
SCENE = Scene(objects=(SceneObject(shape="cube", color="#c03030", size_m=1.0),))
EYE, MIDDLE = np.array([0.0, -4.0, 0.5]), np.array([0.0, 0.0, 0.5])
SHARP = Moment(np.array(look_at(EYE, MIDDLE)), 40.0, float("inf"), 0.0, 0.0)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder: Path = tmp_path_factory.mktemp("views")
    return set_up(SCENE, style_named("clay"), SIZE, 7, folder)


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(None, tmp_path_factory.mktemp("cache"))


def shot(
    renderer: Renderer,
    setting: Setting,
    moment: Moment = SHARP,
    lens: Lens = Lens(SIZE, 1.0),  # noqa: B008 - frozen
    output: Output = "rgb",
) -> Floats:
    request = VideoRequest(scene=SCENE, quality="standard")
    footage = PathTracer(renderer).prepare(request, setting, Run())
    return np.concatenate(list(footage.bands(moment, lens, output, Run())))


def edge(picture: Floats) -> float:
    """How abruptly the brightness changes along the middle row."""
    return float(np.abs(np.diff(picture[28:36].mean((0, 2)))).max())


def test_what_is_out_of_focus_is_blurred(renderer: Renderer, setting: Setting) -> None:
    focused = replace(SHARP, aperture_m=0.4, focus_m=3.5)
    elsewhere = replace(SHARP, aperture_m=0.4, focus_m=1.0)
    pinhole = edge(shot(renderer, setting))

    assert edge(shot(renderer, setting, focused)) > 0.6 * pinhole
    assert edge(shot(renderer, setting, elsewhere)) < 0.4 * pinhole


def test_the_middle_of_a_panorama_is_what_lies_ahead(renderer: Renderer, setting: Setting) -> None:
    around = shot(
        renderer, setting, lens=Lens(Size(128, 64), 2.0, "equirectangular"), output="depth"
    )
    ahead = shot(renderer, setting, output="depth")

    assert around[31:33, 63:65].mean() == pytest.approx(ahead[31:33, 31:33].mean(), rel=0.02)
    assert around[2].max() == 0  # the sky
    assert around[62].mean() == pytest.approx(0.5, rel=0.05)  # the ground below the eye


def test_depth_and_alpha_are_those_of_the_cube(renderer: Renderer, setting: Setting) -> None:
    depth = shot(renderer, setting, output="depth")[..., 0]
    alpha = shot(renderer, setting, output="alpha")[..., 0]

    # The cube stands turned: its nearest edge touches its box, its faces are farther.
    reach = (setting.boxes[0, 1] - setting.boxes[0, 0])[1] / 2
    side = (setting.boxes[0, 1] - setting.boxes[0, 0])[2]
    assert 4 - reach <= depth[30:34, 30:34].mean() <= 4 - side / 2
    assert alpha[30:34, 30:34].min() == 1
    assert alpha[-1].max() == 0
    assert depth[-1].min() > 0


def test_exposure_doubles_the_light(renderer: Renderer, setting: Setting) -> None:
    dark = shot(renderer, setting, replace(SHARP, ev=-2.0))
    bright = shot(renderer, setting, replace(SHARP, ev=0.0))

    assert dark.mean() < 0.65 * bright.mean()
