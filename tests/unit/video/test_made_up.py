"""Engines that film no scene: what they take, and how their pictures become frames."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.media.size import Size
from models.video.cost import estimate
from models.video.diffusion.families import ANIMATEDIFF, COG, LTX, SVD, WAN, Family, family_of
from models.video.generator import Take
from models.video.making import framing
from models.video.pace import nearest, place_of
from models.video.runway.offer import MODELS
from models.video.schema import VideoRequest

FAMILIES = (WAN, LTX, COG, ANIMATEDIFF, SVD)
PICTURE = {"asset_id": "0" * 64}


def ask(**more: Any) -> VideoRequest:
    return VideoRequest.model_validate({"prompt": "a cat", **more})


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "wan"},
        {"image": PICTURE},
        {"engine": "nerf", "steps": 4},
        {"engine": "path-trace", "interpolate": "motion"},
        {"engine": "diffusion", "prompt": ""},
        {"engine": "diffusion", "camera": {"preset": "orbit"}},
        {"engine": "diffusion", "style": "cartoon"},
        {"engine": "diffusion", "output": "depth"},
        {"engine": "runway", "steps": 4},
        {"engine": "runway", "codec": "hevc", "hdr": "hdr10"},
        {"engine": "runway", "image": {"asset_id": "x"}},
        {"engine": "runway", "image": {}},
    ],
)
def test_fields_that_mean_nothing_to_an_engine_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(**wrong)


def test_a_picture_is_enough() -> None:
    assert ask(prompt="", engine="runway", image=PICTURE).generator == "runway"


def test_what_only_a_provider_knows_is_left_open() -> None:
    runway, own = estimate(ask(engine="runway")), estimate(ask(engine="diffusion"))

    assert (runway.cost_usd, runway.compute_s, own.cost_usd) == (None, None, 0.0)


@given(st.sampled_from(FAMILIES), st.floats(0.04, 3))
def test_frames_last_as_long_as_asked_and_fit_the_models_stride(
    family: Family, seconds: float
) -> None:
    frames = family.frames(seconds)

    assert frames >= seconds * family.fps - 1e-4
    assert (frames - 1) % family.stride == 0
    assert frames - family.stride < seconds * family.fps + 1


@given(st.sampled_from(FAMILIES), st.integers(32, 4096), st.integers(32, 2160))
def test_models_compute_sizes_that_they_know(family: Family, width: int, height: int) -> None:
    native = family.native(Size(2 * width, 2 * height), "auto")

    assert native.width % family.side == native.height % family.side == 0
    assert native.pixels <= family.pixels * 2 or min(native) == family.side


def test_a_checkpoints_own_figures_count(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps({"num_frames": 14}))
    svd = family_of(tmp_path, {"_class_name": "StableVideoDiffusionPipeline"})
    both = family_of(tmp_path, {"_class_name": "WanPipeline", "expand_timesteps": True})

    assert svd is not None
    assert svd.most == 14
    assert both is not None
    assert (both.fps, both.image) == (24, "WanImageToVideoPipeline")
    assert family_of(tmp_path, {"_class_name": "StableDiffusionPipeline"}) is None


@given(st.integers(64, 2000), st.integers(64, 2000), st.integers(64, 2000), st.integers(64, 2000))
def test_cropping_keeps_proportions_and_stays_within(a: int, b: int, c: int, d: int) -> None:
    native, size = Size(a, b), Size(2 * c, 2 * d)
    framed = framing(native, size)

    assert framed.width <= a
    assert framed.height <= b
    assert framed.width % 2 == framed.height % 2 == 0
    if min(framed) > 100:
        assert framed.width / framed.height == pytest.approx(size.width / size.height, rel=0.06)


def test_pictures_are_shown_from_when_they_begin() -> None:
    take = Take(Size(2, 2), 16, 9, lambda _: np.zeros((2, 2, 3), np.uint8))

    assert [nearest(n, Fraction(24), take) for n in range(7)] == [0, 0, 1, 2, 2, 3, 4]
    assert [nearest(n, Fraction(8), take) for n in range(7)] == [0, 2, 4, 6, 8, 8, 8]


@given(st.integers(1, 60), st.integers(1, 120), st.integers(1, 200), st.integers(0, 400))
def test_frames_lie_among_the_pictures_as_their_times_do(
    fps: int, rate: int, count: int, number: int
) -> None:
    take = Take(Size(2, 2), fps, count, lambda _: np.zeros((2, 2, 3), np.uint8))
    place = place_of(number, Fraction(rate), take)

    assert 0 <= place <= count - 1
    assert abs(place - min(Fraction(count - 1), Fraction(number * fps, rate))) <= Fraction(1, 24)
    assert place <= place_of(number + 1, Fraction(rate), take)


def test_estimates_count_pictures_between_a_models_own() -> None:
    def told(**more: Any) -> float:
        return estimate(ask(engine="diffusion", prompt="a cat", **more)).interpolation_s

    assert told() == told(fps=24, interpolate="none") == 0
    assert 0 < told(fps=24) < told(fps=48)
    assert estimate(ask(prompt="a cat", fps=48)).interpolation_s == 0


def test_a_rate_of_television_shows_the_pictures_themselves() -> None:
    take = Take(Size(2, 2), 24, 200, lambda _: np.zeros((2, 2, 3), np.uint8))

    assert [place_of(n, Fraction(24000, 1001), take) for n in range(200)] == list(range(200))


@pytest.mark.parametrize(
    ("model", "wanted", "image", "chosen"),
    [
        ("gen4.5", Size(640, 360), False, Size(1280, 720)),
        ("gen4.5", Size(1080, 1920), False, Size(720, 1280)),
        ("gen4.5", Size(512, 512), True, Size(960, 960)),
        ("veo3.1", Size(1920, 1080), False, Size(1920, 1080)),
        ("veo3.1", Size(1280, 720), False, Size(1280, 720)),
        ("kling3.0_4k", Size(7680, 4320), False, Size(3840, 2160)),
    ],
)
def test_a_provider_is_asked_for_the_smallest_size_that_suffices(
    model: str, wanted: Size, image: bool, chosen: Size
) -> None:
    assert MODELS[model].size(wanted, image=image) == chosen


def test_a_provider_is_asked_for_the_shortest_length_that_suffices() -> None:
    veo = MODELS["veo3.1"]

    assert [veo.length(seconds) for seconds in (0.5, 4, 4.1, 8, 9)] == [4, 4, 6, 8, None]
