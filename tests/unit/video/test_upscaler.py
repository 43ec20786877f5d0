"""What enlarges frames: where it is refused, what it costs, what results say of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.media.size import Size, doublings
from models.video.cost import LEARNED_S_PER_PIXEL, estimate
from models.video.enlarged import enlargement
from models.video.schema import VideoRequest

HD = Size(1920, 1080)


def ask(**more: Any) -> VideoRequest:
    asked = {"prompt": "a cube", "engine": "path-trace", "duration_s": 1}
    return VideoRequest.model_validate(asked | {"width": 7680, "height": 4320} | more)


@pytest.mark.parametrize("wrong", [{"output": "depth"}, {"upscale": "none"}, {"upscaler": "magic"}])
def test_the_network_enlarges_pictures_alone(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(**{"upscaler": "learned", **wrong})


def test_the_estimate_counts_it_where_frames_are_enlarged() -> None:
    plain, learned = (estimate(ask(upscaler=name)).compute_s for name in ("lanczos", "learned"))
    fields = [estimate(ask(engine="nerf", upscaler=n)).compute_s for n in ("lanczos", "learned")]
    pixels = 7680 * 4320 + 3840 * 2160  # doubled twice

    assert plain is not None
    assert learned == pytest.approx(plain + 24 * LEARNED_S_PER_PIXEL * pixels, abs=0.1)
    assert fields[0] == fields[1]  # which are filmed at 8K


@pytest.mark.parametrize(
    ("size", "times"),
    [((1920, 1080), 0), ((960, 540), 0), ((2880, 1620), 1), ((3840, 2160), 1), ((7680, 4320), 2)],
)
def test_it_doubles_as_often_as_the_size_needs(size: tuple[int, int], times: int) -> None:
    assert doublings(HD, Size(*size)) == times


def test_results_say_what_enlarged_frames() -> None:
    larger = enlargement(HD, Size(2880, 1620), "learned")
    smaller = enlargement(HD, Size(960, 540), "learned")

    assert enlargement(HD, HD, "learned") is None
    assert larger is not None
    assert smaller is not None
    assert (larger.factor, larger.method) == (1.5, "learned")
    assert (smaller.factor, smaller.method) == (0.5, "lanczos")
