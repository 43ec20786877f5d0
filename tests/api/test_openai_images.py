"""The official client of OpenAI's API against our routes, with real generators behind them."""

import base64
import io
import json
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
import uvicorn
from PIL import Image

from deployments.signs import Sign
from graphs.calls import Calls
from graphs.catalogue import CATALOGUE
from graphs.gateway import build_api
from graphs.principals import Doorkeeper, add_key
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import CapacityExceeded, InvalidInput
from models.core.local_store import LocalArtifactStore
from models.image.backends import Backends
from models.image.schema import ImageRequest, ImageResult
from models.image.sources import read_mask, read_source
from tests.api.conftest import Api, InProcess
from tests.unit.image.stylegan3_files import official_file

torch.set_num_threads(1)
IMAGE = next(entry for entry in CATALOGUE if entry.name == "image")
PATIENCE_S = 60
"""For what comes at once, unless it never comes."""


class Pictures:
    """The image capability with tiny generators, showing what it is asked."""

    def __init__(self, setup: Setup) -> None:
        self._backends = Backends(
            setup, {"stylegan3": "models.image.stylegan3.backend:StyleGan3Backend"}
        )
        self._store = setup.store
        self.asked: list[ImageRequest] = []
        self.sources: list[tuple[Image.Image, Image.Image | None]] = []
        self.passed_on = threading.Semaphore(0)
        self.finish = threading.Event()
        self.finish.set()

    def cards(self) -> tuple[ModelCard, ...]:
        return self._backends.cards()

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        self.asked.append(request)
        if request.image is not None:
            mask = request.mask and read_mask(request.mask, run.owner, self._store)
            self.sources.append((read_source(request.image, run.owner, self._store), mask))
            return self.run(request.model_copy(update={"image": None, "mask": None}), run)
        if request.prompt == "busy":
            raise CapacityExceeded("the queue is full", 6.2)
        if request.prompt == "late":
            time.sleep(0.7)
            raise InvalidInput("not like this")
        for number in range(request.preview_every and 3):
            buffer = io.BytesIO()
            Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(buffer, "JPEG")
            run.preview(buffer.getvalue(), "image/jpeg")
            assert self.passed_on.acquire(timeout=PATIENCE_S)
        assert self.finish.wait(PATIENCE_S)
        return self._backends.chosen(request).run(
            request.model_copy(update={"preview_every": 0}), run
        )


class Following(InProcess):
    """Tells the capability when a preview has been passed on."""

    async def follow(self, *asked: Any) -> AsyncGenerator[object, None]:
        async with aclosing(super().follow(*asked)) as found:
            async for sign in found:
                yield sign
                if isinstance(sign, Sign) and sign.preview is not None:
                    self.probe.passed_on.release()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("generators")
    (folder / "faces.pkl").write_bytes(official_file("t"))
    return folder


@pytest.fixture
def pictures(tmp_path: Path, files: Path) -> Pictures:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    generators = {"faces": str(files / "faces.pkl"), "gone": str(files / "gone.pkl")}
    return Pictures(Setup(store, "cpu", files, files, options={"stylegan3": generators}))


@pytest.fixture
def service(pictures: Pictures, tmp_path: Path) -> Api:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    backend = Following(pictures)  # type: ignore[arg-type]  # runs any capability
    return Api(store, backend, max_body_bytes=2**20, catalogue=(IMAGE,))


@pytest.fixture
async def client(service: Api) -> AsyncIterator[openai.AsyncOpenAI]:
    async with service.client() as transport:
        yield sdk(transport)


def sdk(transport: httpx.AsyncClient, key: str = "none") -> openai.AsyncOpenAI:
    address = "http://localhost:8000/v1"
    return openai.AsyncOpenAI(api_key=key, base_url=address, http_client=transport, max_retries=0)


def png(mode: str = "RGB", color: Any = "#3070c0", size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()


async def test_a_picture_comes_as_bytes_and_as_a_link(
    client: openai.AsyncOpenAI, service: Api
) -> None:
    answer = await client.images.generate(
        model="faces", prompt="anybody", n=2, extra_body={"seed": 5}
    )

    assert answer.data is not None
    contents = [base64.b64decode(image.b64_json or "") for image in answer.data]
    assert [Image.open(io.BytesIO(content)).size for content in contents] == [(32, 32)] * 2
    assert contents[0] != contents[1]
    async with service.client() as plain:
        assert (await plain.get(answer.data[0].url or "")).content == contents[0]


@pytest.mark.parametrize(("form", "other"), [("url", "b64_json"), ("b64_json", "url")])
async def test_the_form_that_is_asked_for_is_the_only_one(
    client: openai.AsyncOpenAI, form: Any, other: str
) -> None:
    answer = await client.images.generate(model="faces", prompt="x", response_format=form)

    assert answer.data is not None
    assert getattr(answer.data[0], form)
    assert getattr(answer.data[0], other) is None


async def test_fields_mean_what_they_mean_elsewhere(
    client: openai.AsyncOpenAI, pictures: Pictures
) -> None:
    fields: dict[str, Any] = {
        "quality": "medium", "output_format": "jpeg", "style": "natural", "background": "auto",
        "moderation": "low", "user": "me",
    }  # fmt: skip
    await client.images.generate(model="faces", prompt="x", size="auto", **fields)
    with pytest.raises(openai.BadRequestError, match="32x32"):
        await client.images.generate(model="faces", prompt="x", size="64x64", **fields)

    asked, sized = pictures.asked
    assert (asked.backend, asked.model, sized.size) == ("auto", "faces", "64x64")
    assert (asked.quality, asked.format, asked.style) == ("standard", "jpeg", "photo")


async def test_partial_pictures_come_before_the_finished_one(
    client: openai.AsyncOpenAI, pictures: Pictures
) -> None:
    stream = await client.images.generate(model="faces", prompt="x", stream=True, partial_images=2)
    events = [event async for event in stream]

    kinds = [event.type for event in events]
    assert kinds == [*["image_generation.partial_image"] * 2, "image_generation.completed"]
    assert [getattr(event, "partial_image_index", None) for event in events] == [0, 1, None]
    assert Image.open(io.BytesIO(base64.b64decode(events[-1].b64_json))).size == (32, 32)
    assert events[-1].usage.total_tokens == 0
    assert pictures.asked[0].preview_every == 10


async def test_an_edit_brings_its_picture_and_its_mask(
    client: openai.AsyncOpenAI, pictures: Pictures
) -> None:
    mask = Image.new("RGBA", (64, 48), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 48))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")

    answer = await client.images.edit(
        model="faces", prompt="a hat", image=("a.png", png()), mask=("m.png", buffer.getvalue())
    )

    assert answer.data is not None
    assert answer.data[0].b64_json
    (picture, read) = pictures.sources[0]
    assert picture.getpixel((1, 1)) == (0x30, 0x70, 0xC0)
    assert read is not None
    # What is transparent is painted anew, which we say in white.
    assert (read.getpixel((5, 5)), read.getpixel((60, 5))) == (255, 0)


async def test_only_models_that_can_be_used_are_listed(client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]

    assert listed == ["faces"]
    assert (await client.models.retrieve("faces")).object == "model"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gone")


async def test_errors_are_those_that_the_client_knows(client: openai.AsyncOpenAI) -> None:
    generate = client.images.generate
    with pytest.raises(openai.NotFoundError) as missing:
        await generate(model="dall-e-3", prompt="x")
    with pytest.raises(openai.BadRequestError) as invalid:
        await generate(model="faces", prompt="x", n=99)
    with pytest.raises(openai.BadRequestError) as unknown:
        await generate(model="faces", prompt="x", extra_body={"wings": 2})
    with pytest.raises(openai.BadRequestError) as refused:
        await generate(model="faces", prompt="x", size="64x64")
    with pytest.raises(openai.RateLimitError) as busy:
        await generate(model="faces", prompt="busy")

    assert missing.value.code == "model_not_found"
    assert (invalid.value.param, invalid.value.type) == ("n", "invalid_request_error")
    assert unknown.value.param == "wings"
    assert "32x32" in refused.value.message
    assert busy.value.response.headers["retry-after"] == "7"
    assert busy.value.request_id


async def test_a_failure_within_a_stream_is_an_error(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.generate(model="faces", prompt="late", stream=True)

    with pytest.raises(openai.APIError, match="not like this"):
        async for _ in stream:
            pass


async def test_a_key_is_needed_where_keys_are(service: Api, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    good = add_key(path, "a", "anna", frozenset({"image", "assets"}))
    other = add_key(path, "b", "bert", frozenset({"fraud"}))
    async with service.client(path) as transport:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await sdk(transport, "wrong").images.generate(model="faces", prompt="x")
        with pytest.raises(openai.PermissionDeniedError):
            await sdk(transport, other).images.generate(model="faces", prompt="x")
        answer = await sdk(transport, good).images.generate(model="faces", prompt="x")

    assert unknown.value.code == "invalid_api_key"
    assert answer.data


@pytest.mark.parametrize(
    ("path", "media_type", "content", "status"),
    [
        ("/v1/images/edits", "application/json", b"{}", 400),
        ("/v1/images/generations", "multipart/form-data; boundary=x", b"--x--", 415),
        ("/v1/images/edits", "multipart/form-data; boundary=x", b"--x\r\nbroken", 400),
        ("/v1/images/edits", "multipart/form-data", b"--x--", 400),
        ("/v1/images/generations", "application/json", b"{", 400),
        ("/v1/nothing", "application/json", b"{}", 404),
    ],
)
async def test_what_is_no_request_is_refused_in_the_same_shape(
    service: Api, path: str, media_type: str, content: bytes, status: int
) -> None:
    async with service.client() as plain:
        answer = await plain.post(path, content=content, headers={"Content-Type": media_type})

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.fixture
def address(service: Api) -> Iterator[str]:
    """The service on a port of loopback."""
    app = build_api(
        (IMAGE,),
        Calls(service.backend),
        service.store,
        Doorkeeper(None, ("localhost", "127.0.0.1")),
        version="0",
        max_body_bytes=2**20,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"
    server.should_exit = True
    thread.join()


def test_the_official_client_works_over_a_socket(address: str, pictures: Pictures) -> None:
    pictures.finish.clear()
    kinds = []
    with openai.OpenAI(api_key="none", base_url=address, max_retries=0) as client:
        for event in client.images.generate(
            model="faces", prompt="x", stream=True, partial_images=1
        ):
            kinds.append(event.type)
            pictures.finish.set()  # the first one came while the picture was being drawn
        edited = client.images.edit(model="faces", prompt="x", image=("a.png", png()))

    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    assert edited.data is not None
    assert json.loads(edited.model_dump_json())["data"][0]["url"].startswith("http://127.0.0.1:")
