"""Requests for pictures in the shape of OpenAI's Images API, and what they mean here."""

from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from models.core.artifacts import Asset
from models.core.errors import InvalidInput
from models.core.value import Value
from models.image.schema import (
    MAX_BASE64_CHARACTERS,
    MAX_IMAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    Format,
    ImageRequest,
    ModelName,
    Quality,
    SourceImage,
    StyleName,
)

OURS: Final = "scene"
"""The model of requests that name none."""
PREVIEW_STEPS: Final = 30
"""Steps over which partial pictures are spread, where the model has steps."""

_QUALITY: Final[dict[str, Quality]] = {
    "low": "draft", "medium": "standard", "standard": "standard", "auto": "standard",
    "high": "high", "hd": "high", "xhigh": "high", "max": "high",
}  # fmt: skip

ProviderQuality = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"]


class Generation(Value):
    """Body of `POST /v1/images/generations`.

    `seed` and our names of styles are additions; `user`, `moderation` and such are accepted and
    change nothing.
    """

    prompt: str = Field(
        min_length=1, max_length=MAX_PROMPT_CHARACTERS, examples=["a red teapot on a wooden table"]
    )
    model: ModelName | None = Field(None, description="see /v1/models")
    n: Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None = 1
    size: str | None = Field("auto", pattern=r"^(auto|\d{1,5}x\d{1,5})$")
    quality: ProviderQuality | None = "auto"
    response_format: Literal["url", "b64_json"] | None = Field(
        None, description="both if absent; `url` needs the same key"
    )
    output_format: Literal["png", "jpeg", "avif"] | None = "png"
    stream: bool | None = False
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = 0
    style: Literal["natural"] | StyleName | None = None
    seed: Annotated[int, Field(ge=0, lt=MAX_SEED)] | None = None
    background: Literal["opaque", "auto"] | None = "auto"
    moderation: Literal["low", "auto"] | None = "auto"
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    user: str | None = Field(None, max_length=512)
    safety_identifier: str | None = Field(None, max_length=512)

    @property
    def format(self) -> Format:
        """Format of the files."""
        return self.output_format or "png"

    def asked(self, **more: object) -> ImageRequest:
        """The same in our terms.

        Args:
            more: Fields of the request besides.

        Raises:
            InvalidInput: A value is out of bounds.
        """
        partial = self.partial_images if self.stream and self.partial_images else 0
        fields: dict[str, object] = {
            "prompt": self.prompt,
            "model": self.model or OURS,
            "backend": "auto",
            "n": self.n or 1,
            "quality": _QUALITY[self.quality or "auto"],
            "format": self.format,
            "style": "photo" if self.style in (None, "natural") else self.style,
            "seed": self.seed,
            "preview_every": PREVIEW_STEPS // (partial + 1) if partial else 0,
            **more,
        }
        if self.size not in (None, "auto"):
            fields["size"] = self.size
        try:
            return ImageRequest.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            raise InvalidInput(f"{place}: {said}" if place else said) from error


class Edit(Generation):
    """Fields of `POST /v1/images/edits`, pictures as base64."""

    image: str = Field(max_length=MAX_BASE64_CHARACTERS, repr=False)
    mask: str | None = Field(None, max_length=MAX_BASE64_CHARACTERS, repr=False)
    input_fidelity: Literal["low", "high"] | None = None

    def asked(self, **more: object) -> ImageRequest:
        """See `Generation.asked`; what is transparent in the mask is painted anew."""
        sources: dict[str, object] = {"image": SourceImage(base64=self.image)}
        if self.mask is not None:
            sources["mask"] = SourceImage(base64=self.mask)
        return super().asked(**sources, **more)


class OpenAIImage(Value):
    """One picture."""

    b64_json: str | None = None
    url: str | None = None


class Tokens(Value):
    """What a provider counted; nothing where we drew ourselves."""

    image_tokens: int = 0
    text_tokens: int = 0


class Usage(Value):
    """Tokens, 0 where we drew ourselves."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: Tokens = Tokens()


class OpenAIImages(Value):
    """Reply of both routes."""

    created: int
    data: tuple[OpenAIImage, ...]
    background: Literal["opaque"] = "opaque"
    output_format: str
    size: str
    quality: str
    usage: Usage = Usage()


class OpenAIModel(Value):
    """A model in the list."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "orrery"


class OpenAIModels(Value):
    """The list of models."""

    object: Literal["list"] = "list"
    data: tuple[OpenAIModel, ...]


def absolute(asset: Asset, base: str) -> str:
    """Address of an asset for somebody who has the key."""
    return base.rstrip("/") + asset.url


def said_quality(quality: str | None) -> str:
    """The quality as replies name it: those of the older models have other names."""
    return {"standard": "medium", "hd": "high", None: "auto"}.get(quality, quality or "auto")
