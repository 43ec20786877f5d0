"""What a fine-tune takes and gives: the contract of its route and its workflow step."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.core.artifacts import Asset
from models.core.capability import Value
from models.image.schema import MAX_SEED, ModelName, SourceImage

MIN_PHOTOS, MAX_PHOTOS = 4, 20
MAX_TRAINING_STEPS = 4000
MAX_PRIOR_PICTURES = 50

Words = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]


class FineTuneRequest(Value):
    """Teach a model a subject from photos of it (DreamBooth, as a LoRA adapter)."""

    model: ModelName | None = Field(None, description="checkpoint; the first one if absent")
    photos: tuple[SourceImage, ...] = Field(min_length=MIN_PHOTOS, max_length=MAX_PHOTOS)
    instance: Words = Field(
        description="what the subject shall be called, a rare word first",
        examples=["sks dog"],
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


class LossPoint(Value):
    """Mean loss of the steps since the point before."""

    step: int
    loss: float


class FineTuneResult(Value):
    """The adapter: `adapters: [{"name": adapter.id}]` uses it in the next request."""

    adapter: Asset
    model: str
    steps: int
    resumed_from: int = Field(description="steps that an interrupted attempt had done")
    layers: int
    losses: tuple[LossPoint, ...]
    timings_s: dict[str, float]
