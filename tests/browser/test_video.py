"""Clips in a browser: seeking in the file by ranges, and the playlist through Media Source."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Page, Request

from graphs.calls import Calls
from graphs.gateway import build_api
from graphs.principals import Doorkeeper
from graphs.steps import CapabilitySteps
from models.core.capability import Setup
from models.core.local_store import LocalArtifactStore
from models.video.model import VideoModel
from models.workflow.engine import DurableEngine
from models.workflow.options import EngineOptions
from tests.api.video_app import VIDEO, OneModel

CLIP: dict[str, Any] = {
    "scene": {"objects": [{"shape": "torus", "color": "#208040"}]},
    "engine": "path-trace",
    "width": 128,
    "height": 96,
    "fps": 8,
    "duration_s": 3,
    "seed": 7,
}
# A page of its own: the console's policy forbids what a test has to do.
PAGE = "<!doctype html><title>player</title><video muted playsinline></video>"
PLAY_FILE = """async ([url, at]) => {
  const video = document.querySelector('video');
  video.src = url;
  await new Promise((done, failed) => {
    video.onloadedmetadata = done; video.onerror = () => failed(video.error.message); });
  const pixel = async time => {
    video.currentTime = time;
    await new Promise(done => video.onseeked = done);
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const pen = canvas.getContext('2d');
    pen.drawImage(video, 0, 0);
    return [...pen.getImageData(video.videoWidth / 2, video.videoHeight / 2, 1, 1).data]; };
  const found = { duration: video.duration, size: [video.videoWidth, video.videoHeight] };
  found.middle = await pixel(at);
  found.start = await pixel(0);
  await video.play();
  await new Promise(done => video.ontimeupdate = () => video.currentTime > 0.4 && done());
  return found;
}"""
PLAY_PLAYLIST = """async url => {
  const lines = (await (await fetch(url)).text()).split('\\n');
  const map = lines.find(line => line.startsWith('#EXT-X-MAP')).match(/URI="([^"]+)"/)[1];
  const bytes = async place => new Uint8Array(await (await fetch(place)).arrayBuffer());
  const init = await bytes(map);
  const at = init.findIndex((_, i) => String.fromCharCode(...init.slice(i, i + 4)) === 'avcC');
  const codec = 'avc1.' + [...init.slice(at + 5, at + 8)]
    .map(byte => byte.toString(16).padStart(2, '0')).join('');
  const source = new MediaSource(), video = document.querySelector('video');
  video.src = URL.createObjectURL(source);
  await new Promise(done => source.onsourceopen = done);
  const buffer = source.addSourceBuffer(`video/mp4; codecs="${codec}"`);
  const add = async content => { buffer.appendBuffer(content);
    await new Promise((done, failed) => { buffer.onupdateend = done; buffer.onerror = failed; }); };
  await add(init);
  for (const line of lines) if (line.startsWith('/assets/')) await add(await bytes(line));
  source.endOfStream();
  await video.play();
  await new Promise(done => video.ontimeupdate = () => video.currentTime > 0.4 && done());
  return { ranges: video.buffered.length, end: video.buffered.end(0), ended: lines.includes('#EXT-X-ENDLIST') };
}"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The routes over the real capability, on a loopback port, without Ray."""
    folder: Path = tmp_path_factory.mktemp("film")
    store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
    setup = Setup(store=store, device="cpu", cache_dir=folder / "cache", data_dir=folder)
    setup.cache_dir.mkdir()
    calls = Calls(OneModel(VideoModel(setup)))
    engine = DurableEngine(
        EngineOptions(folder / "runs.db", min_free_bytes=0),
        CapabilitySteps(VIDEO, calls),
        store,
        lambda: None,
    )
    api = build_api(
        VIDEO, calls, store, Doorkeeper(None, ("localhost", "127.0.0.1")),
        version="0", max_body_bytes=2**16, engine=engine,
    )  # fmt: skip
    config = uvicorn.Config(api, host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)

    async def serve() -> None:
        await engine.start()
        await server.serve()
        await engine.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def clip(gateway: str) -> dict[str, Any]:
    """A finished task."""
    with httpx.Client(base_url=gateway, timeout=100) as http:
        accepted = http.post("/api/v1/generate/video", json=CLIP).json()
        http.get(accepted["events_url"])
        status: dict[str, Any] = http.get(accepted["url"]).json()
    assert status["state"] == "completed", status
    return status


@pytest.fixture
def player(gateway: str, page: Page) -> Page:
    page.route(
        "**/player", lambda route: route.fulfill(body=PAGE, content_type="text/html; charset=utf-8")
    )
    page.goto(f"{gateway}/player")
    return page


def test_the_file_plays_and_seeks_by_ranges(player: Page, clip: dict[str, Any]) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if "range" in request.headers:
            asked.append(request.headers["range"])

    player.on("request", note)
    found = player.evaluate(PLAY_FILE, [clip["outputs"]["result"]["assets"]["video"]["url"], 1.5])

    assert found["duration"] == pytest.approx(3.0, abs=0.02)
    assert found["size"] == [128, 96]
    assert found["middle"] != [0, 0, 0, 255]
    assert found["start"] != [0, 0, 0, 255]
    assert asked


def test_the_playlist_plays_from_its_segments(player: Page, clip: dict[str, Any]) -> None:
    found = player.evaluate(PLAY_PLAYLIST, f"/api/v1/video/{clip['run_id']}/playlist.m3u8")

    assert found["ended"]
    assert found["ranges"] == 1  # no gap between segments
    assert found["end"] == pytest.approx(3.0, abs=0.01)
