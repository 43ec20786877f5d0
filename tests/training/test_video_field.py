"""A clip by a field: fitted to traced views of the scene, compared with the traced clip."""

import math
from pathlib import Path

import numpy as np
import pytest

from models.core.capability import Run
from models.core.durable import write_atomically
from models.image.render import Renderer
from models.image.schema import Scene, SceneObject
from models.image.styles import style_named
from models.media.size import Size
from models.video.backend import Floats, Footage, Lens
from models.video.fieldwork import FieldEngine
from models.video.flight import Flight
from models.video.path import Preset
from models.video.pathtrace import PathTracer
from models.video.posed import near_of
from models.video.presets import expand
from models.video.schema import VideoRequest
from models.video.setting import Setting, set_up

SIZE = Size(96, 64)
SCENE = Scene(
    objects=(
        SceneObject(shape="cube", color="#c03030", size_m=0.5),
        SceneObject(shape="sphere", color="#3050c0", size_m=0.4, position=(0.6, 0.2)),
    )
)


def picture(footage: Footage, setting: Setting, seconds: float) -> Floats:
    path = expand(Preset(preset="orbit"), setting.subject, 1.0, 24, 0)
    lens = Lens(SIZE, SIZE.width / SIZE.height)
    bands = footage.bands(Flight(path).at(seconds), lens, "rgb", Run())
    return np.concatenate(list(bands))


@pytest.mark.timeout(600)  # compiles, where nobody has before
def test_a_field_shows_what_the_tracer_shows_and_is_fitted_once(tmp_path: Path) -> None:
    setting = set_up(SCENE, style_named("photo"), SIZE, 7, tmp_path)
    request = VideoRequest(scene=SCENE, width=SIZE.width, height=SIZE.height, quality="standard")
    renderer = Renderer(None, tmp_path)
    engine = FieldEngine(renderer, views=16, side_px=64, iterations=120)
    stages: list[str] = []
    fitted = engine.prepare(request, setting, Run(progress=lambda _f, stage: stages.append(stage)))
    again = engine.prepare(request, setting, Run())
    elsewhere = set_up(SCENE, style_named("photo"), SIZE, 7, tmp_path / "elsewhere")
    for kept in fitted.kept:  # all that another machine needs of it
        write_atomically(elsewhere.fields / kept.parent.name / kept.name, kept.read_bytes())
    count = len(stages)
    moved = engine.prepare(request, elsewhere, Run(progress=lambda _f, stage: stages.append(stage)))
    traced = PathTracer(renderer).prepare(request, setting, Run())
    pairs = [(picture(fitted, setting, t), picture(traced, setting, t)) for t in (0.1, 0.6)]

    assert fitted.held_out_psnr_db is not None
    assert fitted.held_out_psnr_db > 20
    assert stages[0] == "view 1 of 16"
    assert "fit" in stages
    assert len(stages) == count
    assert np.array_equal(picture(moved, elsewhere, 0.1), pairs[0][0])
    for field, truth in pairs:
        assert -10 * math.log10(float(np.mean((field - truth) ** 2))) > 20
    assert np.array_equal(picture(again, setting, 0.1), pairs[0][0])
    assert near_of(setting).disc_m < setting.subject.distance_m
