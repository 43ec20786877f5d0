"""Camera paths: what is accepted, how they bend, and what presets expand to."""

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.core.errors import InvalidInput
from models.image.schema import Scene, SceneObject
from models.image.styles import style_named
from models.media.size import Size
from models.video.chart import draw_path
from models.video.flight import Flight, eased
from models.video.nerfstudio import from_nerfstudio, to_nerfstudio
from models.video.path import CameraPath, Keyframe, NerfstudioPath, Preset, PresetName
from models.video.presets import Subject, expand, named_in
from models.video.schema import VideoRequest
from models.video.setting import check_clear, set_up
from models.video.spline import kochanek_bartels, monotone, quaternion, rotation

SUBJECT = Subject(np.array([0.0, 0, 0.4]), np.array([0.0, -3, 1.2]), 40.0)


def path(*keys: dict[str, Any], **more: Any) -> CameraPath:
    return CameraPath.model_validate({"duration_s": 2, "keyframes": keys, **more})


def key(time_s: float, place: tuple[float, float, float], **more: Any) -> dict[str, Any]:
    return {"time_s": time_s, "position_m": place, "look_at_m": (0, 0, 0), **more}


def test_a_path_passes_through_its_keyframes_at_their_times() -> None:
    flight = Flight(path(key(0, (3, 0, 1)), key(0.7, (0, 3, 2), fov_deg=30), key(2, (-3, 0, 1))))

    for time_s, place in ((0, (3, 0, 1)), (0.7, (0, 3, 2)), (2, (-3, 0, 1))):
        assert flight.at(time_s).pose[:3, 3] == pytest.approx(place)
    assert flight.at(0.7).fov_deg == pytest.approx(30)


def test_the_camera_keeps_looking_at_what_it_looks_at() -> None:
    flight = Flight(path(key(0, (3, 0, 1)), key(2, (0, 3, 2))))

    for time_s in np.linspace(0, 2, 9):
        pose = flight.at(time_s).pose
        ahead = -pose[:3, 2]
        assert np.cross(ahead, -pose[:3, 3]) == pytest.approx(np.zeros(3), abs=1e-9)
        assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(np.eye(3), abs=1e-9)


def test_a_loop_closes_without_a_jump_in_place_or_speed() -> None:
    preset = Preset(preset="orbit")
    flight = Flight(expand(preset, SUBJECT, 2.0, 24, seed=0))

    def at(time_s: float) -> np.ndarray[Any, Any]:
        return flight.at(time_s).pose[:3, 3]

    step = 1e-3
    assert at(2 - 1e-9) == pytest.approx(at(0), abs=1e-6)
    assert (at(2 - 1e-9) - at(2 - step)) == pytest.approx(at(step) - at(0), abs=1e-4)


def test_an_orbit_stays_at_its_distance_and_height() -> None:
    flight = Flight(expand(Preset(preset="orbit"), SUBJECT, 3.0, 24, seed=0))
    places = np.array([flight.at_frame(n).pose[:3, 3] for n in range(flight.frames)])

    assert flight.frames == 72
    assert places[:, 2] == pytest.approx(1.2, abs=1e-3)
    assert np.hypot(places[:, 0], places[:, 1]) == pytest.approx(3.0, rel=2e-3)


def test_a_dolly_zoom_keeps_the_size_of_the_subject() -> None:
    flight = Flight(expand(Preset(preset="dolly-zoom"), SUBJECT, 2.0, 24, seed=0))
    sizes = []
    for number in range(flight.frames):
        moment = flight.at_frame(number)
        distance = np.linalg.norm(moment.pose[:3, 3] - SUBJECT.centre)
        sizes.append(1 / (distance * math.tan(math.radians(moment.fov_deg / 2))))

    assert sizes == pytest.approx([sizes[0]] * len(sizes), rel=0.01)


@pytest.mark.parametrize("name", get_args(PresetName))
@pytest.mark.parametrize("reverse", [False, True])
def test_every_preset_is_a_path_that_can_be_sent_back(name: PresetName, reverse: bool) -> None:
    made = expand(Preset(preset=name, reverse=reverse), SUBJECT, 2.5, 24, seed=3)
    again = CameraPath.model_validate_json(made.model_dump_json())
    flight = Flight(made)

    assert again == made
    assert all(flight.at_frame(n).pose[2, 3] > 0 for n in range(flight.frames))
    assert expand(Preset(preset=name, reverse=reverse), SUBJECT, 2.5, 24, seed=3) == made


def test_only_a_handheld_camera_depends_on_the_seed() -> None:
    for name in get_args(PresetName):
        first, second = (expand(Preset(preset=name), SUBJECT, 2, 24, seed) for seed in (1, 2))
        assert (first == second) == (name != "handheld")


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red cube", "orbit"),
        ("orbit around a teapot", "orbit"),
        ("Dolly zoom on a vase", "dolly-zoom"),
        ("push in on two apples", "push-in"),
        ("a handheld shot of a lamp", "handheld"),
        ("a crane shot over a table", "crane"),
        ("spiral down to a chair", "spiral"),
    ],
)
def test_words_of_the_prompt_choose_the_preset(prompt: str, name: str) -> None:
    assert named_in(prompt) == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"keyframes": [key(0, (1, 0, 0)), key(0, (2, 0, 0))]},
        {"keyframes": [key(3, (1, 0, 0))]},
        {"keyframes": [key(0, (1, 0, 0), fov_deg=150)]},
        {"keyframes": [key(0, (0, 0, 0))]},
        {"keyframes": [{"time_s": 0, "position_m": (1, 0, 0)}]},
        {"keyframes": [{"time_s": 0, "pose": (np.eye(4) * 1.1).tolist()}]},
        {"keyframes": [{"time_s": 0, "pose": np.diag([1, 1, -1, 1.0]).tolist()}]},
        {"keyframes": []},
        {"keyframes": [key(0, (float("nan"), 0, 0))]},
        {"loop": True, "keyframes": [key(0, (1, 0, 0)), key(2, (0, 1, 0))]},
    ],
)
def test_paths_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CameraPath.model_validate({"duration_s": 2, **wrong})


def test_a_camera_inside_an_object_or_the_ground_is_refused() -> None:
    scene = Scene(objects=(SceneObject(shape="cube", color="#ff0000", size_m=1.0),))
    setting = set_up(scene, style_named("photo"), Size(64, 64), 0, Path("unused"))

    check_clear(path(key(0, (3, 0, 1))), setting)
    for inside in ((0, 0, 0.3), (3, 0, -0.1)):
        with pytest.raises(InvalidInput, match="keyframes/0"):
            check_clear(path({"time_s": 0, "position_m": inside, "look_at_m": (5, 5, 5)}), setting)


def test_passing_through_what_it_looks_at_is_refused() -> None:
    flight = Flight(path(key(0, (1, 0, 0)), key(2, (-1, 0, 0))))

    with pytest.raises(InvalidInput, match="passes through"):
        flight.at(1.0)


def test_a_path_goes_to_nerfstudio_and_comes_back() -> None:
    size = Size(640, 360)
    flight = Flight(expand(Preset(preset="spiral"), SUBJECT, 1.0, 24, seed=0))
    foreign = to_nerfstudio(expand(Preset(preset="spiral"), SUBJECT, 1.0, 24, seed=0), size)
    back = Flight(from_nerfstudio(NerfstudioPath.model_validate_json(foreign.model_dump_json())))

    assert len(foreign.camera_path) == flight.frames
    first, last = flight.at_frame(0).pose, flight.at_frame(23).pose
    assert back.at(0).pose == pytest.approx(first, abs=1e-6)
    assert back.at(1).pose == pytest.approx(last, abs=1e-6)


def test_nerfstudios_own_fields_are_ignored_and_bad_poses_named() -> None:
    text = {
        "keyframes": [{"matrix": "[...]", "properties": "[...]"}],
        "camera_type": "perspective", "render_height": 1080, "render_width": 1920,
        "camera_path": [{"camera_to_world": np.eye(4).ravel().tolist(), "fov": 50, "aspect": 1.7}],
        "fps": 24, "seconds": 4, "smoothness_value": 0.5, "is_cycle": False, "crop": None,
    }  # fmt: skip
    given_path = NerfstudioPath.model_validate(text)
    text["camera_path"][0]["camera_to_world"][0] = 2.0  # type: ignore[index]

    assert from_nerfstudio(given_path).keyframes[0].fov_deg == 50
    with pytest.raises(InvalidInput, match="camera_path/0"):
        from_nerfstudio(NerfstudioPath.model_validate(text))


@pytest.mark.parametrize(
    ("camera", "faults"),
    [
        ({"preset": "loop"}, ["camera/preset/preset"]),
        ({"preset": "orbit", "speed": 2}, ["camera/preset/speed"]),
        ({"camera_path": []}, ["camera/nerfstudio/camera_path", "camera/nerfstudio/seconds"]),
        ({"keyframes": []}, ["camera/path/duration_s", "camera/path/keyframes"]),
    ],
)
def test_a_fault_is_told_of_the_kind_of_camera_that_was_meant(
    camera: dict[str, object], faults: list[str]
) -> None:
    with pytest.raises(ValidationError) as refused:
        VideoRequest.model_validate({"prompt": "a ball", "camera": camera})

    assert ["/".join(map(str, e["loc"])) for e in refused.value.errors()] == faults


def test_poses_turn_the_short_way() -> None:
    def turned(degrees: float) -> list[list[float]]:
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return [[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]

    flight = Flight(path(*({"time_s": t, "pose": turned(d)} for t, d in ((0, 170), (2, 190)))))
    half = flight.at(1.0).pose

    assert half[:2, 0] == pytest.approx([-1, 0], abs=1e-9)


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=6),
    st.floats(0, 1),
)
def test_timing_never_overshoots(steps: list[float], share: float) -> None:
    values = np.cumsum(np.abs(steps))
    times = np.arange(len(values), dtype=float) ** 1.5
    at = np.linspace(0, times[-1], 50)
    curve = monotone(times, values, at)

    assert (np.diff(curve) > -1e-9).all()
    assert curve[[0, -1]] == pytest.approx(values[[0, -1]])
    assert values[0] <= monotone(times, values, np.array([share * times[-1]]))[0] + 1e-9


def test_catmull_and_rom_is_the_spline_without_tension() -> None:
    points = np.array([[0.0], [1], [4], [9]])
    # Between 1 and 2 of squares, tangents (4-0)/2 and (9-1)/2: the square itself.
    at = np.array([1.25, 1.5, 1.75])
    curve = kochanek_bartels(points, at, 0, 0, 0, closed=False)[:, 0]

    assert curve == pytest.approx(at**2)


def test_full_tension_stops_at_keyframes() -> None:
    points = np.array([[0.0], [1], [2]])
    near = kochanek_bartels(points, np.array([1.0, 1.001]), 1, 0, 0, closed=False)[:, 0]

    assert near[1] - near[0] < 1e-5


def test_quaternions_are_those_of_the_rotation() -> None:
    made = rotation(np.random.default_rng(0).normal(size=(5, 4)))

    for turn in made:
        assert rotation(quaternion(turn)[None])[0] == pytest.approx(turn)


def test_easing_starts_and_ends_where_it_should() -> None:
    for name in ("none", "in", "out", "in-out"):
        assert (eased(0, name), eased(1, name)) == (0, 1)
    assert eased(0.25, "in-out") < 0.25 < eased(0.25, "out")


def test_a_chart_is_drawn_of_any_path() -> None:
    boxes = np.array([[[-0.3, -0.3, 0], [0.3, 0.3, 0.6]]])
    still = CameraPath(
        duration_s=1,
        keyframes=(Keyframe(time_s=0, position_m=(0, -2, 1), look_at_m=(0, 0, 0)),),
    )

    for one in (still, expand(Preset(preset="figure-eight"), SUBJECT, 2, 24, 0)):
        assert draw_path(one, boxes).startswith(b"\x89PNG")
