"""Talks to the Images API: one request, one picture."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from models.core.errors import (
    CapabilityError,
    CapacityExceeded,
    InvalidInput,
    ModelUnavailable,
    UpstreamUnavailable,
)
from models.core.outbound import Limits, OutboundClient, Reply
from models.core.retry import parse_retry_after
from models.image.openai.asking import Asking, Field, refusal_of
from models.image.options import OpenAIOptions

ANSWERS: Final = tuple(range(400, 600))
"""Statuses whose body says what was wrong; none is tried again, since an attempt may cost money."""
MAX_BODY_BYTES: Final = 64 * 2**20
DATA: Final = "data:"
SAID_CHARACTERS: Final = 300


@dataclass(frozen=True)
class Drawn:
    """A picture of the provider.

    Attributes:
        content: The file.
        input_tokens: Charged for the request, where the provider says.
        output_tokens: Charged for the picture, where the provider says.
        revised_prompt: What was drawn instead of the prompt, where the provider says.
    """

    content: bytes = field(repr=False)
    input_tokens: int | None = None
    output_tokens: int | None = None
    revised_prompt: str | None = None


@dataclass(frozen=True)
class Original:
    """Where an edit starts.

    Attributes:
        image: PNG.
        mask: PNG whose transparent pixels are drawn anew.
    """

    image: bytes = field(repr=False)
    mask: bytes | None = field(default=None, repr=False)


class Provider:
    """The API at an address, under a key.

    Args:
        options: Where it is and how long to wait.
        key: Sent to it alone.
        client: Instead of one with the usual limits.
    """

    def __init__(
        self, options: OpenAIOptions, key: SecretStr, client: OutboundClient | None = None
    ) -> None:
        self._base = options.base_url.rstrip("/")
        self._key = key
        wait_s = options.timeout_s
        limits = Limits(read_s=wait_s, total_s=wait_s, body_bytes=MAX_BODY_BYTES)
        self._client = client or OutboundClient(limits)

    def generate(self, asking: Asking, preview: Callable[[bytes], None]) -> Drawn:
        """Draw a picture.

        Args:
            asking: What.
            preview: Takes unfinished pictures, where they are asked for.

        Raises:
            InvalidInput: The provider refuses the request.
            ModelUnavailable: It refuses the key or the model.
            CapacityExceeded: It asks to come back later.
            UpstreamUnavailable: It does not answer as it should.
        """
        fields = asking.fields(edit=False)
        if asking.streams:
            return self._stream("/images/generations", fields, preview)
        return self._post("/images/generations", json=fields)

    def edit(self, asking: Asking, original: Original) -> Drawn:
        """Draw a picture anew; see `generate`."""
        files: list[tuple[str, tuple[str, bytes, str]]] = [
            (
                "image[]" if not asking.is_dall_e else "image",
                ("image.png", original.image, "image/png"),
            )
        ]
        if original.mask is not None:
            files.append(("mask", ("mask.png", original.mask, "image/png")))
        fields = {name: str(value) for name, value in asking.fields(edit=True).items()}
        # Only the body is made here; the client sends it.
        form = httpx.Request("POST", self._base, data=fields, files=files)
        media_type = form.headers["content-type"]
        return self._post("/images/edits", content=form.read(), media_type=media_type)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.get_secret_value()}"}

    def _post(self, path: str, media_type: str | None = None, **body: Any) -> Drawn:  # noqa: ANN401  # of the client
        headers = self._headers() | ({"Content-Type": media_type} if media_type else {})
        reply = self._client.request(
            "POST", self._base + path, headers=headers, accept=ANSWERS, retry=False, **body
        )
        if reply.status >= 400:
            raise self._refused(reply)
        answer = reply.json()
        try:
            first = answer["data"][0]
            return self._drawn(first, answer.get("usage"), first.get("revised_prompt"))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UpstreamUnavailable("the provider answered without a picture") from error

    def _stream(
        self, path: str, fields: Mapping[str, Field], preview: Callable[[bytes], None]
    ) -> Drawn:
        with self._client.lines(
            "POST", self._base + path, headers=self._headers(), json=fields, accept=ANSWERS
        ) as (head, lines):
            if head.status >= 400:
                body = "\n".join(lines).encode()
                raise self._refused(Reply(head.status, head.headers, body))
            for event in _events(lines):
                kind = event.get("type")
                if kind == "error" or "error" in event:
                    raise self._said(400, event.get("error", event), None)
                if kind == "image_generation.partial_image":
                    preview(_decoded(event.get("b64_json")))
                elif kind == "image_generation.completed":
                    return self._drawn(event, event.get("usage"), None)
        raise UpstreamUnavailable("the provider's stream ended before the picture")

    def _drawn(self, found: Mapping[str, Any], usage: object, revised: object) -> Drawn:
        tokens = usage if isinstance(usage, dict) else {}
        content = found.get("b64_json")
        return Drawn(
            self._fetched(str(found["url"])) if content is None else _decoded(content),
            _count(tokens.get("input_tokens")),
            _count(tokens.get("output_tokens")),
            revised if isinstance(revised, str) else None,
        )

    def _fetched(self, url: str) -> bytes:
        """The file behind a link of the provider; elsewhere only at public addresses, no key."""
        own = urlsplit(url)[:2] == urlsplit(self._base)[:2]
        return self._client.request("GET", url, from_caller=not own).body

    def _refused(self, reply: Reply) -> CapabilityError:
        try:
            said = reply.json()["error"]
        except (UpstreamUnavailable, KeyError, TypeError):
            said = {}
        return self._said(reply.status, said, parse_retry_after(reply.headers.get("retry-after")))

    def _said(self, status: int, said: object, retry_after_s: float | None) -> CapabilityError:
        """The provider's error in our terms; of its words only those about the request."""
        known = said if isinstance(said, dict) else {}
        kind, detail = refusal_of(status, str(known.get("code")))
        if kind == "invalid":
            words = str(known.get("message", ""))[:SAID_CHARACTERS]
            hidden = words.replace(self._key.get_secret_value(), "***")
            return InvalidInput(f"{detail}: {hidden}" if hidden else detail)
        if kind == "unavailable":
            return ModelUnavailable(detail)
        if kind == "busy":
            return CapacityExceeded(detail, retry_after_s)
        return UpstreamUnavailable(detail, retry_after_s)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Data of server-sent events that hold an object."""
    for line in lines:
        if not line.startswith(DATA):
            continue
        try:
            event = json.loads(line.removeprefix(DATA))
        except ValueError:
            continue  # such as the `[DONE]` of some providers
        if isinstance(event, dict):
            yield event


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise UpstreamUnavailable("the provider sent a picture that is no base64") from error


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
