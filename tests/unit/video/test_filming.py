"""From an engine's pictures to frames: eyes, motion blur, depth, and what a clip is named by."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.core.capability import Run
from models.core.errors import Cancelled
from models.media.size import Size
from models.video.backend import Floats, Lens
from models.video.filming import blend, decode_srgb, encode_srgb, source_of
from models.video.flight import Moment
from models.video.path import CameraPath
from models.video.schema import Output, Views
from models.video.workplace import folder_name, workplace

SIZE = Size(8, 4)


class Compass:
    """A `Footage` whose red is the camera's x, whose blue is its width, and whose depth is 2 m."""

    linear = False
    views: Views | None = None
    held_out_psnr_db: float | None = None
    degraded: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        x = moment.pose[0, 3] + lens.aside_m * moment.pose[0, 0]
        value = [x, 0.5, lens.size.width / 100] if output == "rgb" else [2.0] * 3
        for _ in range(lens.size.height // 2):
            yield np.full((2, lens.size.width, 3), value, np.float32)


def flight(**more: Any) -> CameraPath:
    keys = [{"time_s": t, "position_m": (t, -1, 0), "look_at_m": (t, 0, 0)} for t in (0.0, 1.0)]
    return CameraPath.model_validate({"duration_s": 1, "fps": 4, "keyframes": keys, **more})


def frame(path: CameraPath, number: int, output: Output = "rgb", run: Run | None = None) -> Floats:
    paint = source_of(Compass(), path, SIZE, output, (1.0, 4.0), run or Run(), lambda _number: None)
    return np.concatenate([np.asarray(band, np.float32) for band in paint(number)])


def test_frames_follow_the_path() -> None:
    assert [float(frame(flight(), n)[0, 0, 0]) for n in range(4)] == pytest.approx(
        [0, 0.25, 0.5, 0.75]
    )


def test_both_eyes_are_apart_by_their_distance() -> None:
    for stereo, halves in (
        ("side-by-side", lambda f: (f[:, :4], f[:, 4:])),
        ("top-bottom", lambda f: (f[:2], f[2:])),
    ):
        whole = frame(flight(stereo=stereo, eye_distance_mm=100), 2)
        left, right = halves(whole)

        assert whole.shape == (4, 8, 3)
        assert float((right - left)[..., 0].mean()) == pytest.approx(0.1, abs=1e-6)


def test_motion_blur_is_the_mean_light_while_the_shutter_is_open() -> None:
    blurred = frame(flight(shutter_deg=180), 1)[0, 0, 0]
    places = 0.25 + 0.25 * 0.5 * np.arange(4) / 4
    light = np.mean(decode_srgb(places.astype(np.float32)))

    assert float(blurred) == pytest.approx(float(encode_srgb(np.array([light]))[0]), abs=1e-3)


def test_depth_is_even_in_one_over_distance() -> None:
    assert frame(flight(), 0, "depth") == pytest.approx((1 / 2 - 1 / 4) / (1 - 1 / 4))


def test_srgb_is_inverted_exactly() -> None:
    code = np.linspace(0, 1, 64, dtype=np.float32)

    assert encode_srgb(decode_srgb(code)) == pytest.approx(code, abs=1e-5)
    assert blend((code, code), linear=False) == pytest.approx(code, abs=1e-5)


def test_a_frame_stops_between_bands() -> None:
    with pytest.raises(Cancelled):
        frame(flight(), 0, run=Run(cancelled=lambda: True))


def test_another_owner_or_seed_is_another_clip() -> None:
    asked = {"owner": "a", "seed": 1, "request": {"prompt": "x"}}

    assert folder_name(asked) == folder_name(dict(reversed(asked.items())))
    assert len({folder_name(asked | more) for more in ({}, {"owner": "b"}, {"seed": 2})}) == 3


def test_an_equal_clip_waits_for_the_one_under_way_and_can_be_stopped(tmp_path: Path) -> None:
    left = threading.Event()
    order: list[str] = []

    def second() -> None:
        with workplace(tmp_path, "name", Run()):
            order.append("second")

    with workplace(tmp_path, "name", Run()):
        waiting = threading.Thread(target=second)
        waiting.start()
        left.set()
        with pytest.raises(Cancelled), workplace(tmp_path, "name", Run(cancelled=left.is_set)):
            order.append("never")
        order.append("first")
    waiting.join()

    assert order == ["first", "second"]
