"""Requests: what fits together, what it will cost, which engine."""

from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from models.core.errors import TooLarge
from models.video.cost import LONG_S, PROXY_SHARE, estimate, frames_s, native_size, proxy_of
from models.video.offer import resolutions
from models.video.schema import VideoRequest, exact_rate


def ask(**more: Any) -> VideoRequest:
    return VideoRequest.model_validate({"prompt": "a cube", **more})


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": " "},
        {"width": 641},
        {"width": 8192, "height": 8192},
        {"codec": "h264", "container": "webm"},
        {"codec": "vp9", "width": 7680, "height": 4320},
        {"codec": "h264", "hdr": "hdr10"},
        {"codec": "hevc", "hdr": "hdr10", "engine": "nerf"},
        {"codec": "hevc", "hdr": "hdr10", "output": "depth"},
        {"duration_s": 120, "fps": 60},
        {"camera": {"preset": "orbit", "stereo": "side-by-side"}, "width": 642},
        {"camera": {"preset": "teleport"}},
        {"surprise": 1},
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(**wrong)


def test_rates_of_television_are_exact() -> None:
    assert exact_rate(29.97) == Fraction(30000, 1001)
    assert exact_rate(23.976) == Fraction(24000, 1001)
    assert exact_rate(24) == 24
    assert exact_rate(12.5) == Fraction(25, 2)


def test_an_explicit_path_brings_its_own_time() -> None:
    keys = [{"time_s": 0, "position_m": (2, 0, 1), "look_at_m": (0, 0, 0)}]
    timed = ask(camera={"duration_s": 1.5, "fps": 30, "keyframes": keys})

    assert (timed.frames, timed.rate) == (45, 30)
    assert ask().frames == 72


def test_all_listed_resolutions_are_accepted() -> None:
    for one in resolutions():
        assert ask(width=one.width, height=one.height).size == (one.width, one.height)


def test_the_cheaper_engine_is_chosen_and_the_reason_told() -> None:
    short = estimate(ask(duration_s=0.5))
    long = estimate(ask(duration_s=30, width=1920, height=1080))

    assert (short.engine, long.engine) == ("path-trace", "nerf")
    assert "nerf" in long.why
    assert (
        long.compute_s
        < estimate(ask(duration_s=30, width=1920, height=1080, engine="path-trace")).compute_s
    )


def test_what_needs_exact_light_is_traced() -> None:
    keys = [
        {
            "time_s": 0,
            "position_m": (2, 0, 1),
            "look_at_m": (0, 0, 0),
            "focus_m": 2,
            "aperture_mm": 20,
        }
    ]

    assert estimate(ask(codec="hevc", hdr="hdr10", duration_s=60)).engine == "path-trace"
    assert estimate(ask(camera={"duration_s": 60, "keyframes": keys})).engine == "path-trace"


def test_frames_beyond_the_tracer_are_enlarged_and_only_if_allowed() -> None:
    eight_k = {"width": 7680, "height": 4320, "engine": "path-trace", "duration_s": 0.1}

    assert native_size(ask(**eight_k), "path-trace") == (1920, 1080)
    assert native_size(ask(**eight_k, upscale=4), "path-trace") == (1920, 1080)
    assert native_size(ask(**eight_k), "nerf") == (7680, 4320)
    with pytest.raises(TooLarge, match="allow upscale"):
        estimate(ask(**eight_k, upscale="none"))


def test_a_small_film_comes_first_where_the_whole_takes_long() -> None:
    usual = ask(engine="nerf")
    large = ask(engine="nerf", width=7680, height=4320)
    vertical = ask(engine="nerf", width=2160, height=3840, fps=23.976)
    long = ask(engine="path-trace", width=854, height=480, duration_s=60)
    small, turned = proxy_of(large), proxy_of(vertical)
    assert small is not None
    assert turned is not None

    assert proxy_of(usual) is None
    assert (small.size, small.rate, small.frames) == ((640, 360), 12, 36)
    assert small.seconds < PROXY_SHARE * frames_s(large)
    assert (turned.size, turned.rate) == ((360, 640), Fraction(12000, 1001))
    assert frames_s(long) > LONG_S
    assert proxy_of(long) is None  # it would take too much of the whole
    assert proxy_of(ask(proxy="always")) is not None
    assert proxy_of(large.model_copy(update={"proxy": "never"})) is None
    assert estimate(large).proxy_s == pytest.approx(small.seconds, abs=0.1)
    with pytest.raises(ValidationError, match="no proxy"):
        ask(engine="diffusion", proxy="always")
