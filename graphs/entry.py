"""How one operation of a capability is served."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from models.core.capability import Holding
from models.core.offer import Wish


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
        estimate: What a request will take, told by `dry_run` and with the 202 of a durable
            operation; raises `CapabilityError` for what is too much.
        home: What a replica has in memory that can begin with a request at once; it goes to such
            a replica if there is one that has room. Empty where any will do.
        holds: Until when an answer stays true, so that the gateway may repeat it; none where it
            must be made afresh. For answers that depend on request, caller and models alone.
        asks: Which model that a machine may lack a call needs, by its arguments as far as they are
            known; a task is refused before it is accepted where the model is not there.
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
    estimate: Callable[[Any], BaseModel] | None = None
    home: Callable[[Any], str] | None = None
    holds: Callable[[Any], Holding | None] | None = None
    asks: Callable[[Mapping[str, JsonValue]], Wish | None] | None = None
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
