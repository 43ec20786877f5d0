"""What the fraud capability takes and gives: the contract of its route and its workflow step."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    model_validator,
)

from models.core.capability import Value
from models.fraud.costs import Decision, ExpectedLoss
from models.fraud.flow_schema import NetworkFlow
from models.fraud.market_schema import MarketTrades, OrderBook
from models.fraud.reasons import Reason
from models.fraud.rules import RuleHit

MAX_EVENTS = 10_000

Name = Annotated[str, Field(min_length=1, max_length=128)]


class Transaction(Value):
    """A card or account payment.

    The same `event_id` sent again is answered again and counted once.
    """

    kind: Literal["transaction"]
    event_id: Name
    at: AwareDatetime = Field(description="when it happened, with an offset; may arrive late")
    customer_id: Name
    terminal_id: Name = Field(description="where it was made: a terminal, a shop, a payee")
    amount: float = Field(
        gt=0, le=1e9, allow_inf_nan=False, description="in one currency throughout"
    )
    device_id: Name | None = None
    country: str | None = Field(
        None, pattern=r"^[A-Z]{2}$", description="of the customer, ISO 3166"
    )
    channel: str | None = Field(None, max_length=40, description="for rules")
    merchant_category: str | None = Field(None, max_length=40, description="for rules")


class Feedback(Value):
    """What became known of an event; of a payment it counts from seven days after it on."""

    kind: Literal["feedback"]
    event_id: Name = Field(description="of the event")
    of: Literal["transaction", "network_flow", "market_trades", "order_book"] = "transaction"
    fraud: bool = Field(description="false takes an earlier report back")
    reported_at: AwareDatetime
    source: str = Field("", max_length=80, description="who says so; kept with the report")


class Unreadable(Value):
    """An event that is not valid; answered in its place, so that the others are judged."""

    kind: Literal["unreadable"] = "unreadable"
    detail: str


Event = Annotated[
    Transaction | NetworkFlow | MarketTrades | OrderBook | Feedback, Discriminator("kind")
]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def _or_unreadable(value: Any, handler: ModelWrapValidatorHandler[Any]) -> Event | Unreadable:  # noqa: ANN401  # what the caller sent
    if isinstance(value, Unreadable):
        return value
    try:
        return handler(value)  # type: ignore[no-any-return]  # Event
    except ValidationError as error:
        return Unreadable(detail=_explained(error))


def _explained(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'/'.join(str(part) for part in each['loc']) or 'event'}: {each['msg']}" for each in found
    )[:500]


class FraudRequest(Value):
    """One event, or up to 10,000 as `events`; a bad one among many does not spoil the others."""

    events: tuple[Annotated[Event, WrapValidator(_or_unreadable)], ...] = Field(
        min_length=1, max_length=MAX_EVENTS
    )

    @model_validator(mode="before")
    @classmethod
    def _single(cls, given: Any) -> Any:  # noqa: ANN401  # what the caller sent
        if not isinstance(given, Mapping) or "kind" not in given:
            return given
        try:
            return {"events": (_EVENT.validate_python(dict(given)),)}
        except ValidationError as error:
            raise ValueError(_explained(error)) from error


class Memory(Value):
    """What was known of the parties when the event was judged."""

    customer_payments_30d: int
    terminal_payments_1d: int
    history_days: float
    cold: bool = Field(description="too little history to tell what is usual")


class FlowMemory(Value):
    """What was known of the network when the flow was judged."""

    flows_seen: int = Field(description="before, of this network")
    to_host_2s: int | None = Field(description="flows to the same host within two seconds")
    to_host: int | None = Field(description="of the latest ones to the same host, at most 255")
    cold: bool = Field(description="the windows over earlier flows are still filling")


class MarketMemory(Value):
    """What was known of the pair when the window was judged."""

    history_s: float = Field(description="seconds of trades before the window")
    cold: bool = Field(description="too little history to tell what is usual")


class Pattern(Value):
    """A kind of manipulation, looked for in a window."""

    pattern: Literal["pump", "wash_trading", "spoofing"]
    probability: float
    at: AwareDatetime | None = Field(description="of the suspicious moment, if it is one")
    accounts: tuple[str, ...] = Field((), description="involved, where accounts are told")


class Verdict(Value):
    """What to do with one event, and why."""

    outcome: Literal["judged"] = "judged"
    event_id: str
    kind: str
    decision: Decision
    probability: float | None = Field(description="calibrated; absent where no model answered")
    score: float | None = Field(
        description="before calibration, log-odds or a sum of surprises; ranks better"
    )
    expected_loss: ExpectedLoss | None
    reasons: tuple[Reason, ...]
    rules: tuple[RuleHit, ...]
    decided_by: Literal["rule", "model", "degraded"]
    memory: Memory | FlowMemory | MarketMemory | None
    patterns: tuple[Pattern, ...] = Field((), description="of a market window, the worst first")
    duplicate: bool = Field(False, description="the event had been counted before")
    degraded: tuple[str, ...] = Field((), description="what was missing, and what that cost")


class Noted(Value):
    """Feedback that was kept."""

    outcome: Literal["noted"] = "noted"
    event_id: str


class Refusal(Value):
    """Why one event was not judged."""

    outcome: Literal["refused"] = "refused"
    code: Literal["invalid-input", "conflict", "unknown-event", "unavailable"]
    detail: str


class ModelStamp(Value):
    """Which model answered."""

    name: str
    version: str
    sha256: str


class FraudResult(Value):
    """One answer for each event, in the order of the request."""

    results: tuple[Annotated[Verdict | Noted | Refusal, Discriminator("outcome")], ...]
    models: dict[str, ModelStamp] = Field(description="by kind of event")
    rules_version: str
    state_newest_at: AwareDatetime | None = Field(
        description="event time of the latest payment on record before this request"
    )

    def __reduce__(self) -> tuple[Callable[[bytes], "FraudResult"], tuple[bytes]]:
        """Between processes as JSON: of thousands of verdicts pickle makes an object at a time."""
        return _read_result, (self.model_dump_json().encode(),)


def _read_result(content: bytes) -> FraudResult:
    """A function with a name: cloudpickle would send the code of a class's method every time."""
    return FraudResult.model_validate_json(content)
