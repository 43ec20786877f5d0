"""What the gateway's own routes answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from models.core.capability import ModelCard, Value


class Problem(BaseModel):
    """Error of any route, RFC 9457. Further members depend on the problem."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:orrery:problem:invalid-input"])
    title: str
    status: int
    detail: str = Field(description="what was wrong, what was expected, what to do")
    request_id: str


class Health(Value):
    """The gateway answers."""

    status: Literal["alive"] = "alive"
    version: str


class Readiness(Value):
    """Every deployment is healthy and warm."""

    status: Literal["ready"] = "ready"
    deployments: tuple[str, ...]


class Service(Value):
    """A capability and where to find it."""

    name: str
    title: str
    method: Literal["GET", "POST"]
    route: str
    models_route: str
    uses: str = Field(description="its name in workflows")
    tables: tuple[str, ...]


class Services(Value):
    """All capabilities."""

    services: tuple[Service, ...]


class ReadyMadeCard(Value):
    """A workflow that comes with the product."""

    name: str
    title: str
    route: str
    inputs: dict[str, JsonValue] = Field(description="JSON Schema of the body")
    example: dict[str, JsonValue]
    lacks: tuple[str, ...] = Field(description="capabilities it needs that are not served here")


class ReadyMadeCards(Value):
    """All of them."""

    workflows: tuple[ReadyMadeCard, ...]


class Models(Value):
    """The models of a capability, the unavailable ones with the reason."""

    models: tuple[ModelCard, ...]


class DeploymentStatus(Value):
    """One deployment: what the cluster says of it, and one of its replicas of itself."""

    state: str
    message: str
    replicas: int = Field(description="running")
    target_replicas: int
    in_flight: int | None = Field(None, description="queued or running, sent by this gateway")
    running: int | None = Field(None, description="of them running in the replica that was asked")
    service_s: float | None = Field(None, description="recent seconds of work per request")
    uptime_s: float | None = None
    device: str | None = None
    num_gpus: float | None = None
    models: tuple[ModelCard, ...] = ()
    problem: str | None = Field(None, description="why the replica said nothing of itself")


class Status(Value):
    """State of the whole application."""

    version: str
    uptime_s: float
    ready: bool
    deployments: dict[str, DeploymentStatus]


class Accepted(Value):
    """A task that is stored durably and will end."""

    id: str
    state: Literal["accepted"] = "accepted"
    url: str
    events_url: str
    estimate: dict[str, JsonValue] | None = Field(None, description="where one can be made")


class PlannedTask(Value):
    """A task of a graph that was not run."""

    id: str
    uses: str
    needs: tuple[str, ...]
    calls: int | None = Field(None, description="unknown until `foreach` is evaluated")
    typical_s: float = Field(description="recent seconds of one call")


class Plan(Value):
    """What a graph would do."""

    waves: tuple[tuple[str, ...], ...] = Field(description="what can run side by side, in order")
    tasks: tuple[PlannedTask, ...]
    time_s: float = Field(description="estimated from start to end")
    compute_s: float = Field(description="estimated sum over all calls")


class WebhookSecret(Value):
    """The key that webhooks are signed with, as libraries for Standard Webhooks take it."""

    secret: str
