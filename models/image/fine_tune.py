"""What a fine-tune takes and gives: the contract of its route and its workflow step."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.core.artifacts import Asset
from models.core.capability import Value
from models.image.schema import MAX_SEED, ModelName, SourceImage

MIN_PHOTOS, MAX_PHOTOS = 4, 20
MAX_TRAINING_STEPS = 4000
MAX_PRIOR_PICTURES = 50

MAX_NAME_CHARACTERS = 63
"""One less than an asset id has, so that no name is one."""

AdapterName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=MAX_NAME_CHARACTERS)
]
Words = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]


class FineTuneRequest(Value):
    """Teach a model a subject from photos of it (DreamBooth, as a LoRA adapter)."""

    model: ModelName | None = Field(None, description="checkpoint; the first one if absent")
    photos: tuple[SourceImage, ...] = Field(min_length=MIN_PHOTOS, max_length=MAX_PHOTOS)
    instance: Words = Field(
        description="what the subject shall be called, a rare word first",
        examples=["sks dog"],
    )
    name: AdapterName | None = Field(
        None, description="of the adapter, for later requests; made of `instance` if absent"
    )
    kind: Words | None = Field(None, description="what it is one of, such as `dog`")
    prior_pictures: int = Field(
        0,
        ge=0,
        le=MAX_PRIOR_PICTURES,
        description="pictures of the kind, drawn by the model itself, that keep it from forgetting "
        "what others look like; need `kind`",
    )
    steps: int = Field(400, ge=1, le=MAX_TRAINING_STEPS)
    rank: Literal[4, 8, 16, 32, 64] = 8
    learning_rate: float = Field(1e-4, gt=0, le=1e-2)
    size_px: int = Field(512, ge=64, le=1024, multiple_of=64, description="side of the pictures")
    seed: int = Field(0, ge=0, lt=MAX_SEED)

    @model_validator(mode="after")
    def _prior_has_a_kind(self) -> "FineTuneRequest":
        if self.prior_pictures and self.kind is None:
            raise ValueError("prior_pictures need a kind")
        return self

    @property
    def adapter_name(self) -> str:
        """The name that the adapter gets."""
        made = re.sub(r"[^A-Za-z0-9]+", "-", self.instance).strip("-")
        return self.name or made[:MAX_NAME_CHARACTERS] or "adapter"


class LossPoint(Value):
    """Mean loss of the steps since the point before."""

    step: int
    loss: float


class FineTuneResult(Value):
    """The adapter: `adapters: [{"name": name}]`, or its id as the name, uses it from now on."""

    adapter: Asset
    name: str
    model: str
    steps: int
    resumed_from: int = Field(description="steps that an interrupted attempt had done")
    layers: int
    losses: tuple[LossPoint, ...]
    timings_s: dict[str, float]


class AdaptersRequest(Value):
    """Ask which adapters there are."""


class AdapterCard(Value):
    """An adapter that the caller may use by its name."""

    name: str
    origin: Literal["installed", "own"] = Field(description="by the operator, or by the caller")
    asset: Asset | None = Field(None, description="of an own one; its id is a name as well")
    model: str | None = Field(None, description="the checkpoint that an own one was taught on")


class AdaptersResult(Value):
    """The operator's adapters and those of the caller alone, the newest first."""

    adapters: tuple[AdapterCard, ...]
