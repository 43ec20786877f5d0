"""The backend `openai` against a server on loopback that answers as the Images API does."""

import base64
import hashlib
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from models.core.capability import Run, Setup
from models.core.errors import (
    Cancelled,
    CapabilityError,
    CapacityExceeded,
    InvalidInput,
    ModelUnavailable,
    UpstreamUnavailable,
)
from models.core.local_store import LocalArtifactStore
from models.image.openai.backend import OpenAIBackend
from models.image.schema import ImageRequest

KEY = "sk-test-4f1c"
MODELS = ["gpt-image-2.5-flare", "gpt-image-1-mini", "dall-e-3"]


def png(size: tuple[int, int] = (1024, 1024), color: str = "#c04020") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


USAGE = {
    "input_tokens": 50,
    "output_tokens": 1056,
    "total_tokens": 1106,
    "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
}


@dataclass
class Seen:
    """A request as the server got it."""

    path: str
    key: str | None
    body: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)


class Images(ThreadingHTTPServer):
    """Answers like the provider, unless told to misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        self.error: tuple[int, dict[str, Any], dict[str, str]] | None = None
        self.by_url = False
        self.linked: str | None = None
        self.go = threading.Event()
        self.go.set()
        self.events: list[dict[str, Any]] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Images

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self.server.seen.append(Seen(self.path, self.headers["Authorization"], {}))
        self._send(200, png(), "image/png")

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        body, files = self._parsed(content)
        self.server.seen.append(Seen(self.path, self.headers["Authorization"], body, files))
        self.server.go.wait(60)
        if self.server.error:
            status, said, headers = self.server.error
            self._send(status, json.dumps({"error": said}).encode(), "application/json", headers)
        elif body.get("stream"):
            self._stream()
        else:
            width, height = map(int, str(body["size"]).split("x"))
            first: dict[str, Any] = {"b64_json": b64(png((width, height)))}
            if self.server.by_url:
                first = {"url": self.server.linked or self.server.url + "/files/1.png"}
            answer = {"created": 1, "data": [first], "usage": USAGE}
            if str(body["model"]).startswith("dall-e"):
                first["revised_prompt"] = "a very red square"
                del answer["usage"]
            self._send(200, json.dumps(answer).encode(), "application/json")

    def _parsed(self, content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
        media_type = self.headers["Content-Type"]
        if media_type == "application/json":
            return json.loads(content), {}
        assert media_type.startswith("multipart/form-data; boundary=")
        message = BytesParser().parsebytes(f"Content-Type: {media_type}\r\n\r\n".encode() + content)
        fields: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        for part in message.get_payload():
            name = part.get_param("name", header="content-disposition")
            value = part.get_payload(decode=True)
            if part.get_filename():
                files[name] = value
            else:
                fields[name] = value.decode()
        return fields, files

    def _stream(self) -> None:
        common = {"created_at": 1, "size": "1024x1024", "quality": "low", "background": "opaque"}
        events = self.server.events or [
            *(
                {
                    "type": "image_generation.partial_image",
                    "partial_image_index": index,
                    "b64_json": b64(png(color=color)),
                    **common,
                }
                for index, color in enumerate(("#404040", "#804030"))
            ),
            {
                "type": "image_generation.completed",
                "b64_json": b64(png()),
                "usage": USAGE,
                **common,
            },
        ]
        text = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
        self._send(200, text.encode(), "text/event-stream")

    def _send(
        self, status: int, body: bytes, media_type: str, headers: dict[str, str] | None = None
    ) -> None:
        try:
            self.send_response(status)
            fixed = {"Content-Type": media_type, "Content-Length": str(len(body))}
            for name, value in (fixed | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except BrokenPipeError:
            pass  # the client gave up, as some tests want


@pytest.fixture
def images() -> Iterator[Images]:
    with Images() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.go.set()
        server.shutdown()
        thread.join()


def backend(images: Images, folder: Path, key: str | None = KEY, **options: Any) -> OpenAIBackend:
    given = {"base_url": images.url, "models": MODELS, **options}
    setup = Setup(
        store=LocalArtifactStore(folder, min_free_bytes=0),
        device="cpu",
        cache_dir=folder,
        data_dir=folder,
        options={"openai": given},
        secrets={"openai_api_key": SecretStr(key)} if key else {},
    )
    return OpenAIBackend(setup)


def request(**fields: Any) -> ImageRequest:
    return ImageRequest.model_validate(
        {"prompt": "a red square", "backend": "openai", "size": "1024x1024", **fields}
    )


def picture(folder: Path, asset_id: str, owner: str = "local") -> Image.Image:
    store = LocalArtifactStore(folder, min_free_bytes=0)
    return Image.open(io.BytesIO(b"".join(store.read(asset_id, owner))))


def test_a_picture_is_asked_for_kept_and_accounted(images: Images, tmp_path: Path) -> None:
    served = backend(images, tmp_path, usd_per_million_tokens=[5.0, 40.0])

    result = served.run(request(quality="high"), Run())

    asked = images.seen[0]
    assert (asked.path, asked.key) == ("/v1/images/generations", f"Bearer {KEY}")
    assert asked.body == {
        "model": "gpt-image-2.5-flare", "prompt": "a red square", "n": 1, "size": "1024x1024",
        "quality": "high", "output_format": "png",
    }  # fmt: skip
    assert picture(tmp_path, result.images[0].asset.id).getpixel((9, 9)) == (0xC0, 0x40, 0x20)
    assert result.cost is not None
    assert (result.cost.input_tokens, result.cost.output_tokens) == (50, 1056)
    assert result.cost.usd == pytest.approx((50 * 5 + 1056 * 40) / 1e6, abs=1e-6)
    assert result.degraded == ()


def test_the_older_family_is_asked_in_its_own_terms(images: Images, tmp_path: Path) -> None:
    asked = request(model="dall-e-3", size="512x256", quality="high", n=2, seed=1)

    result = backend(images, tmp_path).run(asked, Run())

    assert [seen.body for seen in images.seen] == 2 * [
        {
            "model": "dall-e-3", "prompt": "a red square", "n": 1, "size": "1792x1024",
            "quality": "hd", "response_format": "b64_json",
        }
    ]  # fmt: skip
    assert picture(tmp_path, result.images[0].asset.id).size == (512, 256)
    assert [("seed" in note, "1792x1024" in note) for note in result.degraded] == [
        (True, False),
        (False, True),
    ]
    assert result.cost is not None
    assert result.cost.output_tokens is None


def test_a_link_of_the_provider_is_followed_there_but_nowhere_private(
    images: Images, tmp_path: Path
) -> None:
    images.by_url = True
    served = backend(images, tmp_path)

    result = served.run(request(), Run())
    images.linked = "http://169.254.169.254/latest/meta-data"

    assert picture(tmp_path, result.images[0].asset.id).size == (1024, 1024)
    with pytest.raises(InvalidInput, match="https"):
        served.run(request(), Run())


def test_unfinished_pictures_are_shown(images: Images, tmp_path: Path) -> None:
    shown: list[tuple[bytes, str]] = []
    run = Run(preview=lambda content, media_type: shown.append((content, media_type)))

    result = backend(images, tmp_path).run(request(preview_every=1), run)

    assert images.seen[0].body["stream"] is True
    assert images.seen[0].body["partial_images"] == 2
    assert [media_type for _, media_type in shown] == ["image/jpeg", "image/jpeg"]
    assert all(len(content) < 32 * 1024 for content, _ in shown)
    assert result.cost is not None
    assert result.cost.output_tokens == 1056


def test_an_edit_sends_the_picture_and_what_to_paint_anew(images: Images, tmp_path: Path) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    given = {"image": {"base64": b64(png((64, 64)))}, "mask": {"base64": b64(buffer.getvalue())}}

    result = backend(images, tmp_path).run(request(**given), Run())

    asked = images.seen[0]
    assert asked.path == "/v1/images/edits"
    assert asked.body["prompt"] == "a red square"
    hole = Image.open(io.BytesIO(asked.files["mask"])).getchannel("A")
    assert (hole.getpixel((100, 500)), hole.getpixel((900, 500))) == (0, 255)
    assert Image.open(io.BytesIO(asked.files["image[]"])).size == (1024, 1024)
    assert len(result.images) == 1


REFUSALS: list[tuple[int, dict[str, Any], dict[str, str], type[CapabilityError], str]] = [
    (400, {"code": "moderation_blocked", "message": "Your request was rejected"}, {}, InvalidInput,
     "safety"),
    (400, {"code": None, "message": f"Invalid size, {KEY}"}, {}, InvalidInput, "Invalid size"),
    (401, {"code": "invalid_api_key", "message": f"Incorrect API key: {KEY}"}, {}, ModelUnavailable,
     "key"),
    (403, {"code": "unsupported_country", "message": "no"}, {}, ModelUnavailable, "may not use"),
    (404, {"code": "model_not_found", "message": "no"}, {}, ModelUnavailable, "no such model"),
    (429, {"code": "rate_limit_exceeded", "message": "slow"}, {"Retry-After": "7"},
     CapacityExceeded, "fewer"),
    (429, {"code": "insufficient_quota", "message": "pay"}, {}, ModelUnavailable, "credit"),
    (500, {"code": None, "message": "oops"}, {}, UpstreamUnavailable, "500"),
    (503, {"code": None, "message": "busy"}, {"Retry-After": "3"}, UpstreamUnavailable, "503"),
]  # fmt: skip


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("status", "said", "headers", "kind", "words"), REFUSALS)
def test_each_refusal_says_whose_turn_it_is_and_never_the_key(
    images: Images,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
    said: dict[str, Any],
    headers: dict[str, str],
    kind: type[CapabilityError],
    words: str,
    streams: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    images.error = (status, said, headers)

    with pytest.raises(kind, match=words) as caught:
        backend(images, tmp_path).run(request(preview_every=int(streams)), Run())

    assert type(caught.value) is kind
    assert caught.value.retry_after_s == (float(headers["Retry-After"]) if headers else None)
    assert KEY not in caught.value.detail
    assert KEY not in caplog.text
    assert len(images.seen) == 1  # it may cost money: never tried again


def test_a_stream_that_fails_or_ends_early_is_no_picture(images: Images, tmp_path: Path) -> None:
    served = backend(images, tmp_path)
    blocked = {"type": "error", "error": {"code": "moderation_blocked", "message": "no"}}
    for events, kind in (([blocked], InvalidInput), ([{"type": "ping"}], UpstreamUnavailable)):
        images.events = events

        with pytest.raises(kind):
            served.run(request(preview_every=1), Run())


def test_a_provider_that_does_not_answer_is_given_up(images: Images, tmp_path: Path) -> None:
    images.go.clear()

    with pytest.raises(UpstreamUnavailable, match="in time"):
        backend(images, tmp_path, timeout_s=0.2).run(request(), Run())


def test_a_caller_that_leaves_does_not_wait_for_the_provider(
    images: Images, tmp_path: Path
) -> None:
    images.go.clear()
    left = threading.Event()
    threading.Timer(0.2, left.set).start()
    started = time.monotonic()

    with pytest.raises(Cancelled):
        backend(images, tmp_path).run(request(), Run(cancelled=left.is_set))

    assert time.monotonic() - started < 30


def test_without_a_key_the_models_are_listed_with_what_to_do(
    images: Images, tmp_path: Path
) -> None:
    served = backend(images, tmp_path, key=None)

    assert [card.name for card in served.cards()] == MODELS
    assert all(not c.available and "ORRERY_SECRETS" in (c.reason or "") for c in served.cards())
    with pytest.raises(ModelUnavailable, match="no API key"):
        served.run(request(), Run())
    assert images.seen == []


def test_the_file_says_which_model_drew_it_and_not_the_prompt(
    images: Images, tmp_path: Path
) -> None:
    result = backend(images, tmp_path).run(request(), Run())

    said = picture(tmp_path, result.images[0].asset.id).info["xmp"].decode()
    assert 'orrery:model="gpt-image-2.5-flare"' in said
    assert hashlib.sha256(b"a red square").hexdigest() in said
    assert "a red square" not in said
