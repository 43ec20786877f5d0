"""Workflows that come with the product: each is one request with a few inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, JsonValue

from models.core.capability import Value
from models.workflow.spec import Spec


@dataclass(frozen=True)
class ReadyMade:
    """A graph whose inputs have a type.

    Attributes:
        name: In its route.
        title: One line for people.
        inputs: What it asks for.
        example: Inputs worth pasting.
        tasks: Of the graph.
        outputs: Of the graph.
    """

    name: str
    title: str
    inputs: type[BaseModel]
    example: Mapping[str, JsonValue]
    tasks: Sequence[Mapping[str, Any]]
    outputs: Mapping[str, JsonValue]

    @property
    def uses(self) -> frozenset[str]:
        """The capabilities that it calls."""
        return frozenset(str(task["uses"]) for task in self.tasks)

    def spec(self, inputs: BaseModel) -> Spec:
        """The graph for these inputs."""
        given = inputs.model_dump(mode="json")
        graph = {"name": self.name, "inputs": given, "tasks": self.tasks, "outputs": self.outputs}
        return Spec.model_validate(graph)

    def lacks(self, served: Callable[[str], bool]) -> tuple[str, ...]:
        """Capabilities that it needs and that are not served."""
        return tuple(sorted(name for name in self.uses if not served(name)))


class ScreenedImage(Value):
    """A picture for whoever paid honestly."""

    payment: dict[str, JsonValue] = Field(description="as for /api/v1/fraud/analyze, one event")
    prompt: str = Field(min_length=1, max_length=1000)
    style: str = "photo"
    seed: int = Field(7, ge=0)


class PictureToFilm(Value):
    """A picture, its scene fitted in three dimensions, and a flight through it."""

    prompt: str = Field(min_length=1, max_length=1000)
    style: str = "photo"
    seed: int = Field(7, ge=0)
    camera: str = Field("orbit", description="a preset of /api/v1/generate/video")
    engine: str = Field("auto", description="nerf, path-trace, or whichever costs less")
    width: int = Field(320, ge=64, le=8192)
    height: int = Field(180, ge=64, le=8192)
    duration_s: float = Field(2.0, gt=0, le=60)


class MarketBrief(Value):
    """What the odds, the risk and the mood of a coin are, with a chart and a cover."""

    symbol: str = Field("BTC", pattern=r"^[A-Za-z0-9]{1,12}$")
    interval: str = Field("1h", pattern="^(1h|1d)$")
    seed: int = Field(7, ge=0)


def _cover(name: str, holds: str, prompt: str) -> Mapping[str, Any]:
    arguments = {"prompt": prompt, "seed": "${{ inputs.seed }}", "size": "512x512"}
    return {"id": name, "uses": "image.generate", "if": holds, "with": arguments}


_UP = "tasks.forecast.outputs.results[0].odds.p_up[0]"

READY_MADE: tuple[ReadyMade, ...] = (
    ReadyMade(
        name="screened-image",
        title="A fraud check of the payment gates a picture",
        inputs=ScreenedImage,
        example={
            "payment": {
                "kind": "transaction",
                "event_id": "order-2001",
                "at": "2026-03-01T12:30:00Z",
                "customer_id": "anna",
                "terminal_id": "bookshop",
                "amount": 24.9,
                "country": "DE",
            },
            "prompt": "a green vase on a wooden table",
        },
        tasks=(
            {
                "id": "screen",
                "uses": "fraud.analyze",
                "with": {"events": ["${{ inputs.payment }}"]},
            },
            {
                "id": "picture",
                "uses": "image.generate",
                "if": "tasks.screen.outputs.results[0].decision == 'approve'",
                "with": {
                    "prompt": "${{ inputs.prompt }}",
                    "style": "${{ inputs.style }}",
                    "seed": "${{ inputs.seed }}",
                },
            },
        ),
        outputs={
            "verdict": "${{ tasks.screen.outputs.results[0] }}",
            "picture": "${{ tasks.picture.outputs.images[0].asset }}",
        },
    ),
    ReadyMade(
        name="picture-to-film",
        title="A prompt becomes a picture, its scene three-dimensional, and that a film",
        inputs=PictureToFilm,
        example={"prompt": "a chrome teapot next to two red apples on a wooden table"},
        tasks=(
            {
                "id": "picture",
                "uses": "image.generate",
                "with": {
                    "prompt": "${{ inputs.prompt }}",
                    "style": "${{ inputs.style }}",
                    "seed": "${{ inputs.seed }}",
                },
            },
            {
                "id": "film",
                "uses": "video.generate",
                "with": {
                    "scene": "${{ tasks.picture.outputs.images[0].scene }}",
                    "style": "${{ inputs.style }}",
                    "seed": "${{ inputs.seed }}",
                    "engine": "${{ inputs.engine }}",
                    "camera": {"preset": "${{ inputs.camera }}"},
                    "width": "${{ inputs.width }}",
                    "height": "${{ inputs.height }}",
                    "duration_s": "${{ inputs.duration_s }}",
                },
            },
        ),
        outputs={
            "picture": "${{ tasks.picture.outputs.images[0].asset }}",
            "film": "${{ tasks.film.outputs.assets.video }}",
            "playlist": "${{ tasks.film.outputs.assets.playlist }}",
        },
    ),
    ReadyMade(
        name="market-brief",
        title="Odds, risk and mood of a coin, with a chart and a cover that fits the odds",
        inputs=MarketBrief,
        example={"symbol": "BTC"},
        tasks=(
            {
                "id": "forecast",
                "uses": "crypto.predict",
                "with": {
                    "symbol": "${{ inputs.symbol }}",
                    "interval": "${{ inputs.interval }}",
                    "chart": "svg",
                },
            },
            {
                "id": "risk",
                "uses": "crypto.risk",
                "with": {"symbol": "${{ inputs.symbol }}"},
            },
            {
                "id": "sentiment",
                "uses": "crypto.sentiment",
                "with": {"symbol": "${{ inputs.symbol }}"},
            },
            _cover(
                "rising",
                f"{_UP} >= 0.5",
                "a golden coin and a red balloon on a wooden table in the morning",
            ),
            _cover(
                "falling",
                f"{_UP} < 0.5",
                "a golden coin and a grey stone on a concrete table at night",
            ),
        ),
        outputs={
            "forecast": "${{ tasks.forecast.outputs.results[0] }}",
            "chart": "${{ tasks.forecast.outputs.results[0].chart }}",
            "risk": "${{ tasks.risk.outputs }}",
            "sentiment": "${{ tasks.sentiment.outputs }}",
            "cover_if_rising": "${{ tasks.rising.outputs.images[0].asset }}",
            "cover_if_falling": "${{ tasks.falling.outputs.images[0].asset }}",
        },
    ),
)
