"""The graph that a caller submits, in the vocabulary of GitHub Actions."""

from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

MAX_TASKS: Final = 256
MAX_FAN_OUT: Final = 100
MAX_SPEC_BYTES: Final = 2**20
IDENTIFIER: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"

TaskId = Annotated[str, Field(pattern=IDENTIFIER)]


def _without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


class Part(BaseModel):
    """Base of the graph's parts: frozen, unknown fields are refused, also read by JSON name."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    def to_json(self) -> dict[str, Any]:
        """What the caller wrote, defaults left out; `model_validate` reads it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class Retry(Part):
    """How often a task that failed for a passing reason is tried again."""

    max_attempts: int = Field(1, ge=1, le=20)
    backoff_s: float = Field(1.0, ge=0, le=600)
    backoff_rate: float = Field(2.0, ge=1, le=10)

    def wait_s(self, failures: int) -> float:
        """Seconds before the attempt after so many failures."""
        return float(self.backoff_s * self.backoff_rate ** (failures - 1))


class Strategy(Part):
    """A task repeated for every combination of the values."""

    matrix: dict[TaskId, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] = Field(
        min_length=1
    )


class Webhook(Part):
    """Where to post what happens."""

    url: str = Field(max_length=2048, pattern=r"^https://")
    events: tuple[str, ...] = Field(
        ("workflow.*",), max_length=16, description="names, `*` stands for any part"
    )


class Task(Part):
    """One call of a capability.

    Attributes:
        id: Name within the graph.
        uses: Capability and verb, as `/api/v1/services` lists them.
        arguments: Body of the call; strings may hold `${{ expressions }}`.
        needs: Tasks that must have ended well before; a reference implies it.
        condition: Expression; where it is false, the task and what needs it are skipped.
        retry: Attempts after failures that may pass.
        timeout_s: Of one attempt.
        priority: Lower runs first; by default the workflow's.
        foreach: A list, or an expression that gives one: the task runs for each `item`.
        strategy: The task runs for each combination of `matrix` values.
        memoize: Whether the result of an equal earlier call may be used.
    """

    id: TaskId
    uses: str = Field(pattern=r"^[a-z0-9_-]+\.[a-z0-9_-]+$", examples=["image.generate"])
    arguments: dict[str, JsonValue] = Field(default={}, alias="with")
    needs: Annotated[tuple[TaskId, ...], AfterValidator(_without_repeats)] = Field(
        (), validation_alias=AliasChoices("needs", "depends_on")
    )
    condition: str | None = Field(None, alias="if", max_length=1000)
    retry: Retry = Retry()
    timeout_s: float | None = Field(None, gt=0, le=86400)
    priority: int | None = Field(None, ge=0, le=9)
    foreach: str | tuple[JsonValue, ...] | None = None
    strategy: Strategy | None = None
    memoize: bool = True

    @model_validator(mode="after")
    def _one_way_to_fan_out(self) -> Self:
        if self.foreach is not None and self.strategy is not None:
            raise ValueError("give foreach or strategy, not both")
        return self

    @property
    def fans_out(self) -> bool:
        """Whether the outputs are a list, one for each item."""
        return self.foreach is not None or self.strategy is not None


class Spec(Part):
    """A graph of tasks.

    Attributes:
        version: Of this vocabulary.
        name: For people.
        inputs: Values that expressions read as `inputs.name`.
        tasks: In any order.
        outputs: Named results, expressions over the tasks.
        priority: Lower runs first.
        deadline_s: The whole run fails after this time.
        webhook: Told of what happens.
        memoize: `false` computes everything anew.
    """

    version: str = Field("1", pattern="^1$")
    name: str = Field("workflow", max_length=100)
    inputs: dict[TaskId, JsonValue] = {}
    tasks: tuple[Task, ...] = Field(min_length=1, max_length=MAX_TASKS)
    outputs: dict[TaskId, JsonValue] = {}
    priority: int = Field(5, ge=0, le=9)
    deadline_s: float | None = Field(None, gt=0, le=7 * 86400)
    webhook: Webhook | None = None
    memoize: bool = True
