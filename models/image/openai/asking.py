"""What is asked of the Images API, in the terms of each family of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from models.image.schema import Quality

Field = str | int | bool

SQUARE, WIDE, TALL = (1024, 1024), (1536, 1024), (1024, 1536)
DALL_E_WIDE, DALL_E_TALL = (1792, 1024), (1024, 1792)
STEP_PX: Final = 16
MAX_RATIO: Final = 3
MIN_FREE_PIXELS, MAX_FREE_PIXELS = 1024 * 1024, 3840 * 2160
PARTIAL_IMAGES: Final = 2

_FREE_SIZES: Final = "gpt-image-2"
_QUALITY: Final[dict[Quality, str]] = {"draft": "low", "standard": "medium", "high": "high"}


@dataclass(frozen=True)
class Asking:
    """One picture to ask for.

    Attributes:
        model: The provider's name.
        prompt: What to draw.
        size_px: Width and height that the caller wants.
        quality: In our terms.
        previews: Whether unfinished pictures are wanted.
    """

    model: str
    prompt: str
    size_px: tuple[int, int]
    quality: Quality
    previews: bool = False

    @property
    def is_dall_e(self) -> bool:
        """Whether the model is of the older family, which knows other fields."""
        return self.model.startswith("dall-e")

    @property
    def streams(self) -> bool:
        """Whether the answer comes as events."""
        return self.previews and not self.is_dall_e

    @property
    def provider_size_px(self) -> tuple[int, int]:
        """The size that the model draws, of those it can the nearest in shape."""
        width, height = self.size_px
        if self.model.startswith(_FREE_SIZES) and _is_free(width, height):
            return self.size_px
        wide, tall = (DALL_E_WIDE, DALL_E_TALL) if self.is_dall_e else (WIDE, TALL)
        return min((SQUARE, wide, tall), key=lambda size: _stretch(size, self.size_px))

    def fields(self, *, edit: bool) -> dict[str, Field]:
        """Fields of the request.

        Args:
            edit: Whether it starts from a picture; then streams are not asked for.

        Source: OpenAI API reference, "Create image" and "Create image edit".
        """
        width, height = self.provider_size_px
        fields: dict[str, Field] = {
            "model": self.model,
            "prompt": self.prompt,
            "n": 1,
            "size": f"{width}x{height}",
        }
        if self.is_dall_e:
            quality = "hd" if self.quality == "high" else "standard"
            return fields | {"quality": quality, "response_format": "b64_json"}
        fields |= {"quality": _QUALITY[self.quality], "output_format": "png"}
        if self.streams and not edit:
            fields |= {"stream": True, "partial_images": PARTIAL_IMAGES}
        return fields


def _is_free(width: int, height: int) -> bool:
    """Whether a model that draws any size draws this one."""
    fits = width % STEP_PX == 0 and height % STEP_PX == 0
    shape = max(width, height) <= MAX_RATIO * min(width, height)
    return fits and shape and MIN_FREE_PIXELS <= width * height <= MAX_FREE_PIXELS


def _stretch(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    """How far two shapes differ, 1 where they are the same."""
    ratio = size[0] * wanted[1] / (size[1] * wanted[0])
    return max(ratio, 1 / ratio)


Refusal = Literal["invalid", "unavailable", "busy", "upstream"]
"""Whose turn it is: the caller's, the operator's, nobody's for a while, or the provider's."""

_POLICY: Final = "the provider's safety system refused the prompt; word it differently"
_NO_MONEY: Final = "the account at the provider has no credit left; ask the operator"
_BY_CODE: Final[Mapping[str, tuple[Refusal, str]]] = {
    "moderation_blocked": ("invalid", _POLICY),
    "content_policy_violation": ("invalid", _POLICY),
    "insufficient_quota": ("unavailable", _NO_MONEY),
    "billing_hard_limit_reached": ("unavailable", _NO_MONEY),
}
_BY_STATUS: Final[Mapping[int, tuple[Refusal, str]]] = {
    401: ("unavailable", "the provider does not accept the API key; ask the operator"),
    403: ("unavailable", "the API key may not use this model; ask the operator"),
    404: ("unavailable", "the provider has no such model; ask the operator"),
    429: ("busy", "the provider asks for fewer requests; try again later"),
}


def refusal_of(status: int, code: str) -> tuple[Refusal, str]:
    """What a status and a code of the provider mean, and how to say it.

    Source: OpenAI API reference, "Error codes".
    """
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return "invalid", "the provider cannot serve this request"
    return "upstream", f"the provider answered {status}"
