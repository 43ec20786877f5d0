"""OpenAI's own client films a prompt through our routes."""

from pathlib import Path

import httpx
import openai
import pytest

from tests.api.video_app import app, http, model

__all__ = ["app", "http", "model"]

# The client warns that OpenAI's own service is gone.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_openais_client_films_lists_fetches_remixes_and_deletes(
    app: httpx.ASGITransport, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(transport=app) as transport:
        key = (tmp_path / "acme").read_text()
        videos = openai.AsyncOpenAI(
            base_url="http://x/v1", api_key=key, http_client=transport, max_retries=0
        ).videos
        with pytest.raises(openai.BadRequestError):
            await videos.create(prompt="a cube", model="sora-2")
        made = await videos.create(
            prompt="a red cube",
            model="path-trace",
            seconds="1",  # type: ignore[arg-type]  # any whole number
            size="64x64",  # type: ignore[arg-type]  # any even size
        )
        with pytest.raises(openai.ConflictError):
            await videos.download_content(made.id)
        done = await videos.poll(made.id, poll_interval_ms=200)
        listed = await videos.list()
        clip = (await videos.download_content(made.id)).content
        poster = (await videos.download_content(made.id, variant="thumbnail")).content
        remixed = await videos.remix(made.id, prompt="a blue cube")
        await videos.delete(remixed.id)
        stopped = await videos.poll(remixed.id, poll_interval_ms=200)
        deleted = await videos.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            await videos.retrieve(made.id)

    assert (made.object, made.prompt, made.size) == ("video", "a red cube", "64x64")
    assert made.status in {"queued", "in_progress"}
    assert (done.status, done.progress, done.seconds) == ("completed", 100, "1")
    assert done.completed_at is not None
    assert [video.id for video in listed.data] == [made.id]
    assert clip[4:8] == b"ftyp"
    assert poster[:2] == b"\xff\xd8"
    assert remixed.remixed_from_video_id == made.id
    assert stopped.status == "failed"
    assert stopped.error is not None
    assert stopped.error.code == "cancelled"
    assert deleted.deleted
