"""The engine `runway` against a server on loopback that answers as Runway's API does."""

import base64
import io
import logging
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from models.core.capability import Run, Setup
from models.core.errors import (
    Cancelled,
    CapacityExceeded,
    InvalidInput,
    ModelUnavailable,
    UpstreamUnavailable,
)
from models.core.local_store import LocalArtifactStore
from models.media.facts import read_back
from models.video.model import VideoModel
from models.video.schema import VideoRequest, VideoResult
from tests.training.runway_server import TASK, Runway

KEY = "key_runway_7c41"
ESTIMATE = {"estimatedCost": {"credits": 24}}
PENDING = {"status": "PENDING", **ESTIMATE}
THROTTLED = {"status": "THROTTLED", **ESTIMATE}
RUNNING = {"status": "RUNNING", "progress": 0.5, **ESTIMATE}
NOBODY = Run()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds at 24 frames, each as light as its number, as the provider would send it."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        for number in range(48):
            grey = np.full((72, 128, 3), 2 * number + 60, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        file.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture
def runway(clip: bytes) -> Iterator[Runway]:
    with Runway(clip) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def model_in(root: Path, runway: Runway, key: str | None = KEY, **options: Any) -> VideoModel:
    (root / "cache").mkdir(exist_ok=True)
    given = {"base_url": runway.url, "poll_s": 0.02, **options}
    setup = Setup(
        store=LocalArtifactStore(root / "assets", min_free_bytes=0),
        device="cpu",
        cache_dir=root / "cache",
        data_dir=root,
        options={"runway": given},
        secrets={"runway_api_key": SecretStr(key)} if key else {},
    )
    return VideoModel(setup)


def request(**fields: Any) -> VideoRequest:
    body = {"prompt": "a heron lands", "engine": "runway", "seed": 3, "duration_s": 2}
    return VideoRequest.model_validate({**body, "width": 128, "height": 72, **fields})


def made(service: VideoModel, run: Run = NOBODY, **fields: Any) -> VideoResult:
    result = service.run(request(**fields), run)
    assert isinstance(result, VideoResult)
    return result


def kept_notes(root: Path) -> list[Path]:
    return list((root / "cache" / "clips").glob("*/runway.json"))


def test_a_clip_is_made_copied_and_put_into_the_asked_form(runway: Runway, tmp_path: Path) -> None:
    runway.states = [PENDING, THROTTLED, RUNNING, runway.succeeded]
    model, told = model_in(tmp_path, runway), list[tuple[float, str]]()
    run = Run(progress=lambda share, stage: told.append((share, stage)))
    result = made(model, run, codec="vp9", fps=12)
    store = model._setup.store
    (tmp_path / "clip").write_bytes(b"".join(store.read(result.assets.video.id, "local")))
    facts = read_back(tmp_path / "clip", Fraction(12))
    first = runway.seen[0]

    assert (first.method, first.path) == ("POST", "/v1/text_to_video")
    assert first.body == {
        "model": "gen4.5", "promptText": "a heron lands", "ratio": "1280:720", "duration": 2,
        "seed": 3,
    }  # fmt: skip
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["x-runway-version"] == "2024-11-06"
    assert "authorization" not in runway.seen[-1].headers
    assert (facts.codec, facts.is_gapless) == ("vp9", True)
    assert len(facts.times) == 24
    assert (result.source, result.geometry) == ("runway:gen4.5", "none")
    assert (result.credits, result.native_fps) == (24, 24)
    assert result.native_resolution == (128, 72)
    assert result.assets.original is not None
    assert b"".join(store.read(result.assets.original.id, "local")) == runway.clip
    stages = [stage for _, stage in told]
    for stage in ("provider: pending", "provider: throttled", "provider: running"):
        assert stage in stages
    assert [share for share, _ in told] == sorted(share for share, _ in told)


def test_a_picture_is_sent_in_the_nearest_proportions(runway: Runway, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), "#c04020").save(buffer, "PNG")
    image = {"base64": base64.b64encode(buffer.getvalue()).decode()}
    made(model_in(tmp_path, runway), image=image, width=128, height=128)
    asked = runway.seen[0]
    head, _, content = asked.body["promptImage"].partition(",")
    sent = Image.open(io.BytesIO(base64.b64decode(content)))

    assert asked.path == "/v1/image_to_video"
    assert (asked.body["model"], asked.body["ratio"]) == ("gen4_turbo", "960:960")
    assert head == "data:image/jpeg;base64"
    assert sent.size == (960, 960)


def test_other_models_have_other_lengths_and_make_no_sound(runway: Runway, tmp_path: Path) -> None:
    result = made(
        model_in(tmp_path, runway), model="veo3.1", duration_s=5, fps=2, width=1920, height=1080
    )
    body = runway.seen[0].body

    assert (body["duration"], body["ratio"], body["audio"]) == (6, "1920:1080", False)
    assert "ends after 2.00 s" in result.degraded[0]
    assert result.frames == 10


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        (
            {"status": "FAILED", "failure": "moderated", "failureCode": "SAFETY.INPUT.TEXT"},
            InvalidInput,
            "moderated",
        ),
        (
            {"status": "FAILED", "failure": "oops", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01"},
            UpstreamUnavailable,
            "oops",
        ),
        ({"status": "FAILED"}, UpstreamUnavailable, "no reason"),
        ({"status": "CANCELLED"}, UpstreamUnavailable, "cancelled at the provider"),
        (404, UpstreamUnavailable, "knows nothing"),
        (401, ModelUnavailable, "runway_api_key"),
        ({"status": "SUCCEEDED", "output": []}, UpstreamUnavailable, "no link"),
    ],
)
def test_ends_without_a_clip_are_told_apart(
    runway: Runway, tmp_path: Path, state: Any, error: type[Exception], said: str
) -> None:
    runway.states = [PENDING, state]
    with pytest.raises(error, match=said):
        made(model_in(tmp_path, runway))
    lost = state == 404 or (isinstance(state, dict) and state["status"] != "SUCCEEDED")

    assert len(kept_notes(tmp_path)) == (0 if lost else 1)


def test_after_a_failure_another_task_is_made(runway: Runway, tmp_path: Path) -> None:
    model = model_in(tmp_path, runway)
    runway.states = [{"status": "FAILED", "failureCode": "INTERNAL"}]
    with pytest.raises(UpstreamUnavailable):
        made(model)
    runway.states = [runway.succeeded]
    made(model)

    assert runway.count("POST", "/v1/text_to_video") == 2


def test_unknown_states_are_waited_through(
    runway: Runway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runway.states = [{"status": "WARMING"}, {"status": "WARMING"}, runway.succeeded]
    with caplog.at_level(logging.WARNING):
        result = made(model_in(tmp_path, runway))

    assert result.frames == 48
    assert sum("unknown state" in record.message for record in caplog.records) == 1


def test_who_leaves_cancels_the_task(runway: Runway, tmp_path: Path) -> None:
    runway.states = [RUNNING]
    left, at = threading.Event(), [0.0]

    def leave(_share: float, stage: str) -> None:
        if stage == "provider: running":
            at[0] = time.monotonic()
            left.set()

    with pytest.raises(Cancelled):
        made(model_in(tmp_path, runway, poll_s=60), Run(progress=leave, cancelled=left.is_set))

    assert time.monotonic() - at[0] < 30, "long before the next look"
    assert runway.count("DELETE", f"/v1/tasks/{TASK}") == 1
    assert kept_notes(tmp_path) == []


def test_who_leaves_while_the_file_comes_finds_it_again(runway: Runway, tmp_path: Path) -> None:
    runway.file_comes.clear()
    stages: list[str] = []
    run = Run(
        progress=lambda _share, stage: stages.append(stage),
        cancelled=lambda: "fetching the clip" in stages,
    )
    with pytest.raises(Cancelled):
        made(model_in(tmp_path, runway), run)
    runway.file_comes.set()
    made(model_in(tmp_path, runway))

    assert runway.count("POST", "/v1/text_to_video") == 1
    assert runway.count("DELETE", f"/v1/tasks/{TASK}") == 0


def test_a_task_is_found_again_and_not_paid_twice(runway: Runway, tmp_path: Path) -> None:
    runway.states = [RUNNING]
    with pytest.raises(UpstreamUnavailable, match="not paid twice"):
        made(model_in(tmp_path, runway, timeout_s=0.1))
    runway.states = [RUNNING, runway.succeeded]
    result = made(model_in(tmp_path, runway))
    again = made(model_in(tmp_path, runway))

    assert runway.count("POST", "/v1/text_to_video") == 1
    assert again.assets.video.id == result.assets.video.id
    assert again.credits == 24


def test_a_link_that_has_ended_is_asked_for_anew(runway: Runway, tmp_path: Path) -> None:
    model = model_in(tmp_path, runway)
    runway.file_status = 403
    with pytest.raises(UpstreamUnavailable, match="403"):
        made(model)
    runway.file_status = 200
    made(model)

    assert runway.count("POST", "/v1/text_to_video") == 1
    assert runway.count("GET", f"/v1/tasks/{TASK}") == 2


def test_a_file_that_is_no_video_is_said(runway: Runway, tmp_path: Path) -> None:
    runway.clip = b"<html>"
    with pytest.raises(UpstreamUnavailable, match="something else than a video"):
        made(model_in(tmp_path, runway))
    assert list((tmp_path / "cache" / "clips").glob("*/runway.mp4")) == []


def test_dear_clips_are_cancelled_at_once(runway: Runway, tmp_path: Path) -> None:
    runway.states = [PENDING]
    with pytest.raises(ModelUnavailable, match="24 credits"):
        made(model_in(tmp_path, runway, max_credits=10))

    assert runway.count("DELETE", f"/v1/tasks/{TASK}") == 1


@pytest.mark.parametrize(
    ("refusal", "error", "said"),
    [
        ((400, {"error": "Validation of body failed"}, {}), InvalidInput, "Validation of body"),
        (
            (400, {"error": "You do not have enough credits to run this task."}, {}),
            ModelUnavailable,
            "used up",
        ),
        ((401, {"error": f"bad key {KEY}"}, {}), ModelUnavailable, "refuses the key"),
        ((429, {"error": "slow down"}, {"Retry-After": "7"}), CapacityExceeded, "later"),
        ((400, {"error": f"echo {KEY}"}, {}), InvalidInput, r"echo \*\*\*"),
        ((502, {}, {}), UpstreamUnavailable, "502"),
    ],
)
def test_refusals_become_our_errors_without_the_key(
    runway: Runway, tmp_path: Path, refusal: Any, error: type[Exception], said: str
) -> None:
    runway.refusal = refusal
    with pytest.raises(error, match=said) as raised:
        made(model_in(tmp_path, runway))

    assert KEY not in str(raised.value)
    assert len(runway.seen) == 1
    if error is CapacityExceeded:
        assert getattr(raised.value, "retry_after_s", None) == 7


def test_a_busy_provider_is_asked_again_about_a_task(runway: Runway, tmp_path: Path) -> None:
    runway.states = [429, 503, runway.succeeded]

    assert made(model_in(tmp_path, runway)).frames == 48
    assert runway.count("GET", f"/v1/tasks/{TASK}") == 3


def test_without_a_key_its_models_say_so(runway: Runway, tmp_path: Path) -> None:
    model = model_in(tmp_path, runway, key=None)
    card = next(card for card in model.cards() if card.name == "gen4.5")

    assert not card.available
    assert "runway_api_key" in (card.reason or "")
    with pytest.raises(ModelUnavailable, match="runway_api_key"):
        made(model)
    assert runway.seen == []


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"model": "gen2"}, ModelUnavailable, "there are gen4.5"),
        ({"model": "gen4_turbo"}, InvalidInput, "give an image"),
        ({"duration_s": 11}, InvalidInput, "at most 10 s"),
    ],
)
def test_what_is_not_offered_is_not_asked_for(
    runway: Runway, tmp_path: Path, fields: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        made(model_in(tmp_path, runway), **fields)
    assert runway.seen == []
