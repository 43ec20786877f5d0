"""The contract between a capability, its replica and the gateway."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, JsonValue, SecretStr

from models.core.artifacts import ArtifactStore
from models.core.errors import Cancelled, UpstreamUnavailable
from models.core.value import Value as Value

LOCAL_OWNER = "local"

RequestT = TypeVar("RequestT", bound=BaseModel, contravariant=True)
ResultT = TypeVar("ResultT", bound=BaseModel, covariant=True)


def _never() -> bool:
    return False


def _silent(_fraction: float, _stage: str) -> None:
    return None


def _unseen(_content: bytes, _media_type: str) -> None:
    return None


class Peers(Protocol):
    """Other replicas of a capability; they take parts of a run when nothing else is before it.

    Attributes:
        most: How many could be at work at once, those that could be started included; 0 where the
            run is alone, and nothing can be asked.
    """

    most: int

    def ask(self, request: BaseModel, run: "Run") -> BaseModel:
        """What a peer's `run` answers; blocks. The first progress means that it has begun.

        Raises:
            Cancelled: The run was; the peer stops as well.
            CapacityExceeded: None was free for a while.
            UpstreamUnavailable: The peer died, or failed.
            CapabilityError: As the peer ended.
        """
        ...


class Alone:
    """`Peers` where there are none."""

    most = 0

    def ask(self, request: BaseModel, run: "Run") -> BaseModel:
        """See `Peers`."""
        raise UpstreamUnavailable(
            f"there is no other replica to ask for a {type(request).__name__}"
        )


ALONE: Final = Alone()


class ModelCard(Value):
    """What a replica says of the model that it serves."""

    name: str
    version: str
    kind: str = ""
    """What requests call models of its kind: the engine of a film, the backend of a picture."""
    weights_sha256: str | None = None
    device: str = "cpu"
    available: bool = True
    reason: str | None = None
    """Why it is unavailable or degraded, and what to do about it."""


@dataclass(frozen=True)
class Run:
    """What one run may know of its caller.

    Attributes:
        owner: Tenant that owns what the run stores.
        request_id: Correlates logs, results and replies.
        cancelled: True once nobody waits for the answer; cheap, may be polled often.
        progress: Takes a fraction 0-1 and the name of the stage.
        preview: Takes an unfinished result as a small file, and its media type.
        peers: Replicas that may take parts of it.
    """

    owner: str = LOCAL_OWNER
    request_id: str = "-"
    cancelled: Callable[[], bool] = field(default=_never, repr=False)
    progress: Callable[[float, str], None] = field(default=_silent, repr=False)
    preview: Callable[[bytes, str], None] = field(default=_unseen, repr=False)
    peers: Peers = field(default=ALONE, repr=False)

    def check(self) -> None:
        """Stop here if nobody waits for the answer.

        Raises:
            Cancelled: The caller has left.
        """
        if self.cancelled():
            raise Cancelled("the caller left before the answer was ready")

    def part(self, number: int, count: int) -> "Run":
        """This run as seen by one of `count` equal parts: its progress is a share of the whole."""

        def progress(fraction: float, stage: str) -> None:
            self.progress((number + fraction) / count, stage)

        return replace(self, progress=progress)


@dataclass(frozen=True)
class Holding:
    """How long an answer stays true, and how it reads when it is repeated.

    Attributes:
        until_s: Unix time from which on it must be made afresh.
        again: The answer, marked as a repeated one.
    """

    until_s: float
    again: BaseModel


@dataclass(frozen=True)
class Setup:
    """What a capability is built from.

    Attributes:
        store: Keeps what a run makes.
        device: `cpu` or `cuda`, following from the share of a GPU given to the replica.
        cache_dir: Local folder for what can be computed again.
        data_dir: Local folder for what must last.
        options: The capability's own settings, validated by itself.
        secrets: Keys of providers by name; never logged.
    """

    store: ArtifactStore
    device: str
    cache_dir: Path
    data_dir: Path
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)


class Capability(Protocol[RequestT, ResultT]):
    """A model behind a typed request and a typed result.

    The constructor takes a `Setup`, loads weights and warms up: a built capability is a ready one.
    """

    def run(self, request: RequestT, run: Run) -> ResultT:
        """Answer one request; raises only `CapabilityError` for what the caller can act on."""
        ...

    def cards(self) -> tuple[ModelCard, ...]:
        """Every model this capability knows, the unavailable ones with the reason."""
        ...


@runtime_checkable
class Keeper(Protocol):
    """A capability that keeps some of its models in memory; its replica loads them ahead of demand.

    Called from several threads at once. A request that needs one model and nothing else has that
    model's name as its `Entry.home`, or none.
    """

    @property
    def places(self) -> int:
        """Models that there is room for."""
        ...

    @property
    def load_s(self) -> float:
        """Seconds that loading a model took lately; 0 before the first."""
        ...

    def asks(self, request: BaseModel) -> str:
        """Name of the model that a request needs; "" if it needs none that is kept."""
        ...

    def kept(self) -> tuple[str, ...]:
        """What is in memory or on its way there, the longest unused first."""
        ...

    def spare(self, names: tuple[str, ...]) -> None:
        """What should make room first from now on: others have it as well, or it is hardly used."""
        ...

    def keep(self, name: str) -> None:
        """Load a model into memory, in a free place or that of a spare one which nobody uses.

        Raises:
            CapacityExceeded: There is no such place, or too little memory.
            ModelUnavailable: It cannot be loaded.
        """
        ...
