"""Clips over HTTP, made by the real capability in this process."""

import base64
import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from graphs.routes.videos import place_of, proxy_place_of
from models.media.playlist import MEDIA_TYPE, PROXY, noted, playlist
from models.workflow.contract import RunStatus
from models.workflow.progress import data_url
from tests.api.test_errors import assert_problem
from tests.api.video_app import app, headers_of, http, model

__all__ = ["app", "http", "model"]

CLIP: dict[str, Any] = {
    "scene": {"objects": [{"shape": "cube", "color": "#c03030"}]},
    "engine": "path-trace",
    "width": 64,
    "height": 64,
    "fps": 4,
    "duration_s": 0.5,
    "seed": 7,
}


async def test_a_clip_is_a_task_with_an_estimate_a_playlist_and_a_file(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    accepted = await http.post("/api/v1/generate/video", json=CLIP | {"proxy": "always"})
    task_id = accepted.json()["id"]
    events = (await http.get(accepted.json()["events_url"])).text
    task = (await http.get(accepted.headers["location"])).json()
    assets = task["outputs"]["result"]["assets"]
    live = await http.get(f"/api/v1/video/{task_id}/playlist.m3u8")
    small = await http.get(f"/api/v1/video/{task_id}/proxy.m3u8")
    part = await http.get(assets["video"]["url"], headers={"Range": "bytes=4-7"})
    foreign = headers_of(tmp_path, "eve")

    assert accepted.status_code == 202
    assert accepted.json()["estimate"]["frames"] == 2
    assert "application/vnd.apple.mpegurl" in events  # the playlist was shown while it grew
    assert task["inputs"]["body"]["seed"] == 7
    assert live.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert live.text.endswith("#EXT-X-ENDLIST\n")
    for line in live.text.splitlines():
        if line.startswith("/assets/"):
            assert (await http.get(line)).status_code == 200
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert small.text.endswith("#EXT-X-ENDLIST\n")
    assert (await http.get(assets["proxy"]["url"])).headers["content-type"] == "video/mp4"
    assert_problem(
        await http.get(f"/api/v1/video/{task_id}/playlist.m3u8", headers=foreign),
        404,
        "unknown-asset",
    )


def test_the_small_film_has_a_playlist_of_its_own_while_the_whole_is_made() -> None:
    text = playlist("/assets/i", [("/assets/s", Fraction(1))], Fraction(1), ended=False)
    small = status_with(noted(text, PROXY))
    whole = status_with(noted(text, f"{PROXY} /assets/p"))
    alone = status_with(text)

    assert (place_of(small), proxy_place_of(small)) == (None, small.tasks[0].preview_url)
    assert (place_of(whole), proxy_place_of(whole)) == (whole.tasks[0].preview_url, "/assets/p")
    assert (place_of(alone), proxy_place_of(alone)) == (alone.tasks[0].preview_url, None)


async def test_there_is_nothing_to_wait_for_once_a_film_without_small_one_is_there(
    http: httpx.AsyncClient,
) -> None:
    accepted = await http.post("/api/v1/generate/video", json=CLIP)
    await http.get(accepted.json()["events_url"])  # to its end
    small = await http.get(f"/api/v1/video/{accepted.json()['id']}/proxy.m3u8")

    assert_problem(small, 404, "unknown-asset")
    assert "retry-after" not in small.headers
    assert "the task is completed" in small.json()["detail"]


def status_with(shown: str) -> RunStatus:
    url = data_url(shown.encode(), MEDIA_TYPE)
    task = {"id": "a", "uses": "video.generate", "state": "running", "preview_url": url}
    return RunStatus.model_validate({
        "run_id": "r", "name": "", "state": "running", "created_at": "2026-01-01T00:00:00Z",
        "progress": 0.5, "trace_id": "t", "tasks": [task],
    })  # fmt: skip


async def test_a_dry_run_estimates_and_too_much_is_refused(http: httpx.AsyncClient) -> None:
    told = await http.post("/api/v1/generate/video?dry_run=true", json=CLIP)
    huge = CLIP | {"width": 1920, "height": 1080, "fps": 60, "duration_s": 60, "quality": "high"}
    refused = await http.post("/api/v1/generate/video", json=huge)
    odd = await http.post("/api/v1/generate/video", json=CLIP | {"width": 65})

    assert told.json()["engine"] == "path-trace"
    assert told.json()["compute_s"] > 0
    assert_problem(refused, 413, "too-large")
    assert_problem(odd, 422, "invalid-input")
    assert (await http.get("/api/v1/task")).json()["runs"] == []


async def test_an_engine_that_is_not_here_is_refused_at_once(http: httpx.AsyncClient) -> None:
    diffused = await http.post(
        "/api/v1/generate/video", json={"prompt": "a cube", "engine": "diffusion"}
    )
    bought = await http.post("/v1/videos", json={"prompt": "a cube", "model": "runway"})

    assert_problem(diffused, 503, "model-unavailable")
    assert "options.video.diffusion.checkpoints" in diffused.json()["detail"]
    assert bought.status_code == 503
    assert "ORRERY_SECRETS__VIDEO__RUNWAY_API_KEY" in bought.json()["error"]["message"]
    assert (await http.get("/api/v1/task")).json()["runs"] == []


async def test_a_path_is_shown_before_it_is_filmed(http: httpx.AsyncClient) -> None:
    shown = (await http.post("/api/v1/video/path", json={"video": CLIP})).json()
    picture = await http.get(shown["chart"]["url"])
    again = await http.post("/api/v1/generate/video?dry_run=true", json={
        **{k: v for k, v in CLIP.items() if k != "duration_s"}, "camera": shown["path"]
    })  # fmt: skip

    assert picture.headers["content-type"] == "image/png"
    assert shown["path"]["loop"] is True
    assert again.json()["frames"] == 2


async def test_forms_with_files_are_refused_with_the_reason(http: httpx.AsyncClient) -> None:
    form = await http.post(
        "/v1/videos", data={"prompt": "a cube"}, files={"input_reference": ("a.png", b"x")}
    )
    elsewhere = await http.post("/api/v1/generate/video", files={"prompt": (None, "a cube")})

    assert form.status_code == 400
    assert "image of /api/v1/generate/video" in form.json()["error"]["message"]
    assert_problem(elsewhere, 415, "unsupported-media-type")
    assert (await http.get("/v1/videos/video_nope")).status_code == 404


async def test_a_picture_without_depth_is_refused_with_the_way_to_get_one(
    http: httpx.AsyncClient,
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 36), "#406080").save(buffer, "PNG")
    image = {"base64": base64.b64encode(buffer.getvalue()).decode()}
    asked = {"picture": {"image": image}, "width": 64, "height": 64}
    refused = await http.post("/api/v1/video/path", json={"video": asked})
    wrong = await http.post("/api/v1/generate/video", json=asked | {"engine": "nerf"})
    engines = await http.get("/api/v1/video/engines")
    told = await http.post("/api/v1/generate/video?dry_run=true", json=asked)

    assert_problem(refused, 422, "invalid-input")
    assert "/api/v1/image/geometry" in refused.json()["detail"]
    assert_problem(wrong, 422, "invalid-input")
    assert "layers" in engines.text
    assert told.json()["engine"] == "layers"
