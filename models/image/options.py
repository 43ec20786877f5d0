"""The capability's settings, `args.options.image` of the configuration."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from models.core.value import Value
from models.image.schema import ModelName


class OpenAIOptions(Value):
    """The provider behind the backend `openai`, or another one that answers like it.

    Attributes:
        base_url: Where its API begins.
        models: Names that requests may choose from; the first is the usual one.
        timeout_s: Longest wait for a picture.
        usd_per_million_tokens: What the provider charges for input and output tokens, to tell the
            cost of a result.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://[^?#@]+$")] = "https://api.openai.com/v1"
    models: tuple[ModelName, ...] = Field(("gpt-image-2.5-flare",), min_length=1)
    timeout_s: float = Field(180.0, gt=0, le=900)
    usd_per_million_tokens: tuple[float, float] | None = None


class ImageOptions(Value):
    """What can be set.

    Attributes:
        libllvm: Path of a libLLVM, where the one that is found is not the right one.
        stylegan3: Path of each generator by name: an official `.pkl` file, or a folder made by
            `python -m models.image.stylegan3.files`.
        openai: Of that backend.
    """

    libllvm: str | None = None
    stylegan3: dict[ModelName, Path] = {}
    openai: OpenAIOptions = OpenAIOptions()
