"""Every capability, one entry each: adding one here is all it takes to serve it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, JsonValue

from models.fraud.schema import FraudRequest, FraudResult
from models.image.fine_tune import FineTuneRequest, FineTuneResult
from models.image.schema import ImageRequest, ImageResult, StyleCard
from models.image.styles import style_cards


@dataclass(frozen=True)
class Table:
    """Values of a capability that are known without its model."""

    row: type[BaseModel]
    rows: Callable[[], Sequence[BaseModel]]


@dataclass(frozen=True)
class Entry:
    """How one operation of a capability is served.

    Attributes:
        name: Of the operation; of its deployment as well, unless `deployment` says otherwise.
        title: One line for people.
        route: Path. Names in braces are fields of the request.
        model: `module:class` of the `Capability`; imported in the replica only, since it may
            pull in a deep-learning library.
        request: Body of a POST; path and query parameters of a GET.
        result: Reply.
        example: A request worth pasting: shown by OpenAPI, run by the contract tests.
        idempotent: The same request may be run again after a replica died under it.
        deterministic: Equal requests give equal results (where there is a seed, with the same
            seed), so that workflows may remember them.
        deployment: Serves this and other entries of the same `model`; is their key scope and
            the place of their further routes under `/api/v1/`.
        method: GET is for questions that change nothing.
        aliases: Further paths of the same operation.
        durable: Takes long: its POST is always accepted as a task, never waited for.
        needs: What the example needs and a fresh machine lacks; it is refused without.
        tables: Further GET routes, `/api/v1/{deployment}/{key}`.
    """

    name: str
    title: str
    route: str
    model: str
    request: type[BaseModel]
    result: type[BaseModel]
    example: Mapping[str, JsonValue]
    idempotent: bool = True
    deterministic: bool = False
    deployment: str = ""
    method: Literal["GET", "POST"] = "POST"
    aliases: tuple[str, ...] = ()
    durable: bool = False
    needs: str = ""
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def served_by(self) -> str:
        """Name of the deployment."""
        return self.deployment or self.name


def by_deployment(catalogue: Sequence[Entry]) -> dict[str, Entry]:
    """The first entry of every deployment."""
    first: dict[str, Entry] = {}
    for entry in catalogue:
        first.setdefault(entry.served_by, entry)
    return first


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        name="image",
        title="Text to image: a path-traced scene of what the prompt describes",
        route="/api/v1/generate/image",
        model="models.image.model:ImageModel",
        request=ImageRequest,
        result=ImageResult,
        deterministic=True,
        example={"prompt": "a chrome teapot next to two red apples on a wooden table", "seed": 7},
        tables={"styles": Table(StyleCard, style_cards)},
    ),
    Entry(
        name="image_fine_tunes",
        title="Teach a diffusion model a subject from a few photos (DreamBooth)",
        route="/api/v1/image/fine-tunes",
        model="models.image.model:ImageModel",
        request=FineTuneRequest,
        result=FineTuneResult,
        deployment="image",
        deterministic=True,
        durable=True,
        needs="a checkpoint, and photos that are the caller's",
        example={
            "photos": [{"asset_id": f"{number:064x}"} for number in range(4)],
            "instance": "sks dog",
            "kind": "dog",
            "prior_pictures": 8,
        },
    ),
    Entry(
        name="fraud",
        title="Fraud: approve, review or block a payment, with the probability and the reasons",
        route="/api/v1/fraud/analyze",
        model="models.fraud.model:FraudModel",
        request=FraudRequest,
        result=FraudResult,
        example={
            "kind": "transaction",
            "event_id": "order-1001",
            "at": "2026-03-01T12:30:00Z",
            "customer_id": "anna",
            "terminal_id": "bookshop",
            "amount": 24.9,
            "country": "DE",
        },
    ),
)
