import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.image.render.view import fit
from models.image.render.world import base_heights, placed_points
from models.image.schema import Camera, Scene, SceneObject
from models.image.shapes import SHAPE_NAMES

things = st.builds(
    SceneObject,
    shape=st.sampled_from(SHAPE_NAMES),
    color=st.just("#808080"),
    size_m=st.floats(0.05, 2),
    position=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    yaw_deg=st.floats(-360, 360),
)
cameras = st.builds(
    Camera,
    azimuth_deg=st.floats(-180, 180),
    elevation_deg=st.floats(2, 85),
    framing=st.floats(1, 4),
    fov_deg=st.floats(10, 90),
)
sides = st.sampled_from([(512, 512), (1024, 256), (256, 1024), (1536, 1024)])


@settings(max_examples=30, deadline=None)
@given(st.lists(things, min_size=1, max_size=4), cameras, sides)
def test_every_object_is_inside_the_frame(
    objects: list[SceneObject], camera: Camera, side: tuple[int, int]
) -> None:
    scene = Scene(objects=tuple(objects), camera=camera)
    points = _points(scene)
    seen = fit(camera, points, *side).projected(points)

    assert np.abs(seen).max() <= 1


@pytest.mark.parametrize("side", [(512, 512), (900, 300), (300, 900)])
def test_one_object_fills_the_frame_in_its_tighter_direction(side: tuple[int, int]) -> None:
    scene = Scene(objects=(SceneObject(shape="sphere", color="#808080"),))
    points = _points(scene)
    seen = fit(scene.camera, points, *side).projected(points)
    share = np.ptp(seen, axis=0).max() / 2

    assert 0.55 <= share <= 0.8


def test_twice_the_framing_halves_the_object() -> None:
    points = _points(Scene(objects=(SceneObject(shape="cube", color="#808080"),)))
    near, far = (
        np.ptp(fit(Camera(framing=f), points, 512, 512).projected(points), axis=0).max()
        for f in (1.0, 2.0)
    )

    assert near / far == pytest.approx(2, rel=0.1)


def test_azimuth_ninety_looks_from_the_right() -> None:
    points = _points(Scene(objects=(SceneObject(shape="cube", color="#808080"),)))
    view = fit(Camera(azimuth_deg=90), points, 512, 512)

    assert view.ahead[0] < -0.8
    assert view.eye[0] > 1


def _points(scene: Scene) -> np.ndarray:
    pairs = zip(scene.objects, base_heights(scene), strict=True)
    return np.concatenate([placed_points(thing, height) for thing, height in pairs])
