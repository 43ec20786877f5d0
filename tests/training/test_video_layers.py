"""Layers of a picture: closed forms, the traced truth, and films of the capability itself."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.image.render import Renderer
from models.image.render.grade import displayed
from models.image.schema import Camera as SceneCamera
from models.image.schema import Scene, SceneObject
from models.image.styles import Grade, style_named
from models.media.size import Size
from models.video.camera import Camera, look_at
from models.video.layers import stack
from models.video.layers.arrays import WHOLE, Seen, Stack
from models.video.layers.depth_files import Metres
from models.video.layers.reach import LIMIT, Scout, within_reach
from models.video.layers.sight import Onlooker
from models.video.layers.stack import stack_of
from models.video.nerf.arrays import Bytes, Floats
from models.video.path import Preset
from models.video.presets import Subject
from models.video.spline import Array
from models.video.sway import sway
from tests.training.layered import HIGH, TANGENTS, WIDE, box_before_wall, waves

SIZE, SAMPLES = Size(240, 136), 16
FOCAL_PX = HIGH / 2 / TANGENTS[1]
POSE = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))

pytestmark = pytest.mark.timeout(600)  # compiles, where nobody has before


def moved(onlooker: Onlooker, right_m: float, ahead_m: float = 0) -> Seen:
    pose = POSE.copy()
    pose[:3, 3] = [right_m, ahead_m, 0]
    fov = 2 * math.degrees(math.atan(TANGENTS[1]))
    return onlooker.view(Camera(pose, fov, WIDE, HIGH)).band(range(HIGH))


def psnr_db(one: Floats | Bytes, other: Floats | Bytes) -> float:
    gap = np.asarray(one, np.float64) - other
    return 10 * math.log10(255**2 / max(float(np.mean(gap**2)), 1e-12))


def test_a_camera_at_rest_sees_the_picture() -> None:
    colour, nearness = box_before_wall()
    seen = moved(Onlooker(stack_of(colour, nearness, TANGENTS), POSE), 0.0)

    assert psnr_db(seen.colour, colour) > 60
    assert 1 / seen.nearness[:28] == pytest.approx(5.0, abs=1e-4)
    assert not seen.made.any()


def test_a_wall_is_shifted_by_focal_length_times_way_over_distance() -> None:
    colour, far_m, shift_px = waves(), 4.0, 6
    onlooker = Onlooker(
        stack_of(colour, np.full((HIGH, WIDE), 1 / far_m, np.float32), TANGENTS), POSE
    )
    seen = moved(onlooker, shift_px * far_m / FOCAL_PX)

    assert psnr_db(seen.colour[:, :-shift_px], colour[:, shift_px:]) > 60
    assert seen.made.sum() == HIGH * shift_px


def test_a_wall_grows_as_the_camera_comes_nearer() -> None:
    y, x = np.mgrid[:HIGH, :WIDE]
    disc = np.hypot(x + 0.5 - WIDE / 2, y + 0.5 - HIGH / 2) < 20
    colour = np.repeat(np.where(disc, 255, 0).astype(np.uint8)[..., None], 3, -1)
    onlooker = Onlooker(stack_of(colour, np.full((HIGH, WIDE), 0.25, np.float32), TANGENTS), POSE)
    seen = moved(onlooker, 0.0, 1.0)

    assert (seen.colour > 127).sum() / 3 == pytest.approx(math.pi * (20 * 4 / 3) ** 2, rel=0.01)


@pytest.mark.parametrize("right_m", [0.1, -0.25])
def test_two_walls_uncover_what_their_parallax_says(right_m: float) -> None:
    colour, nearness = box_before_wall()
    seen = moved(Onlooker(stack_of(colour, nearness, TANGENTS), POSE), right_m)
    gap_px = FOCAL_PX * abs(right_m) * (1 / 2 - 1 / 5)
    border_px = FOCAL_PX * abs(right_m) / 5

    uncovered = 38 * gap_px + HIGH * border_px  # the box is a point wider on each side
    assert seen.made.sum() == pytest.approx(uncovered, rel=0.08)


def test_what_is_hidden_goes_on_as_the_plane_behind_it_does() -> None:
    """A floor, seen from above its horizon, whose nearness rises evenly downwards."""
    rows = (np.arange(HIGH) + 0.5 - 4) / HIGH
    floor = np.repeat(np.maximum(rows, 0.02)[:, None] * 0.5, WIDE, 1).astype(np.float32)
    nearness = floor.copy()
    nearness[30:66, 70:90] = 0.6
    found = stack_of(waves(), nearness, TANGENTS)
    down, across = (np.array(found.nearness.shape[1:]) - (HIGH, WIDE)) // 2
    behind = found.nearness[1, down : down + HIGH, across : across + WIDE]
    hidden = behind >= 0

    assert hidden[31:65, 71:89].all()
    assert np.abs(behind - floor)[hidden].max() < 0.02


def test_a_frame_is_the_same_in_bands_and_by_threads() -> None:
    colour, nearness = box_before_wall()
    found = stack_of(colour, nearness, TANGENTS)
    whole = moved(Onlooker(found, POSE, 1), 0.2, 0.1)
    pose = POSE.copy()
    pose[:3, 3] = [0.2, 0.1, 0]
    camera = Camera(pose, 2 * math.degrees(math.atan(TANGENTS[1])), WIDE, HIGH)
    bands = [Onlooker(found, POSE, 3).view(camera).band(range(n, n + 48)) for n in (0, 48)]

    assert np.array_equal(np.concatenate([band.colour for band in bands]), whole.colour)
    assert np.array_equal(np.concatenate([band.nearness for band in bands]), whole.nearness)


def test_motion_is_clamped_until_little_has_to_be_made_up() -> None:
    colour, nearness = box_before_wall()
    subject = Subject(np.array([0.0, 5.0, 0.0]), np.zeros(3), 50.0, -1000.0)
    scout = Scout(colour, nearness, TANGENTS, POSE, Size(WIDE, HIGH), lambda: None)
    gentle = within_reach(
        sway(Preset(preset="orbit"), subject, 1.0, 12, 7), subject, scout, nearest_m=2.0
    )
    wild = within_reach(
        sway(Preset(preset="truck", amount=4), subject, 1.0, 12, 7), subject, scout, nearest_m=2.0
    )

    assert gentle.motion == 1
    assert 0.02 < wild.motion < 1
    assert 0.8 * LIMIT < wild.disoccluded <= LIMIT
    assert scout.disoccluded(wild.path) == pytest.approx(wild.disoccluded, abs=1e-4)


SCENE = Scene(
    objects=(
        SceneObject(shape="cube", color="#c0a030", size_m=0.5),
        SceneObject(shape="cylinder", color="#30a0a0", size_m=0.8, position=(-0.7, 1.5)),
        SceneObject(shape="cone", color="#a030c0", size_m=1.2, position=(0.9, 2.2)),
    ),
    light="studio",
    camera=SceneCamera(fov_deg=50, elevation_deg=12),
)


def traced(renderer: Renderer, offset: Array) -> tuple[Bytes, Floats, tuple[float, float]]:
    """The scene from aside: picture, distances and tangents; the offset is in distances."""
    job = renderer.job(SCENE, SIZE, SAMPLES, 7, style_named("photo"))
    view = job.view
    axes = np.stack([view.right, view.up, view.ahead])
    eye = view.eye + offset @ axes * view.distance_m
    out = renderer.shoot(replace(job, view=replace(view, eye=eye)))
    picture = displayed(out.color, Grade(vignette=0, bloom=0), 1.0)
    return (picture * 255 + 0.5).astype(np.uint8), out.depth, (view.tangent_x, view.tangent_y)


def test_layers_come_nearer_to_the_traced_truth_than_one_sheet_or_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = Renderer(None, tmp_path)
    offset = np.array([-0.1, 0.02, 0.03])
    colour, depth, tangents = traced(renderer, np.zeros(3))
    truth, _, _ = traced(renderer, offset)
    distance = renderer.job(SCENE, SIZE, SAMPLES, 7, style_named("photo")).view.distance_m
    nearness = Metres(depth, along_rays=True).nearness(tangents)
    layers = stack_of(colour, nearness, tangents)
    none_behind = layers._replace(
        nearness=layers.nearness[:1],
        colour=layers.colour[:1],
        made=layers.made[:1],
        squares=np.where(layers.squares[:1] == WHOLE, layers.squares[:1], 0),
    )
    monkeypatch.setattr(stack, "JUMP", 1e3)
    one_sheet = stack_of(colour, nearness, tangents)
    pose = np.eye(4)
    pose[:3, 3] = offset * distance * [1, 1, -1]
    camera = Camera(pose, 2 * math.degrees(math.atan(tangents[1])), *SIZE)

    def found(one: Stack) -> float:
        seen = Onlooker(one, np.eye(4)).view(camera).band(range(SIZE.height))
        return psnr_db(seen.colour, truth)

    assert found(layers) > 33
    assert found(layers) > found(one_sheet) + 2
    assert found(layers) > found(none_behind) + 2
    assert found(layers) > psnr_db(colour, truth) + 10
