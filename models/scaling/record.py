"""A decision as it is kept and shown."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from models.core.capability import Value
from models.scaling import explain
from models.scaling.decide import Decision
from models.scaling.snapshot import Snapshot

PolicyName = Literal["orrery", "serve"]


class NodeLoad(Value):
    """How full a machine is, each as a share from 0 to 1."""

    name: str = Field(description="first digits of Ray's node id")
    cpu: float
    memory: float
    disk: float
    gpu: float | None = Field(None, description="mean of its GPUs; null if none is known of")
    gpu_memory: float | None = Field(None, description="taken of their memory, by anyone")


class ClassOfWork(Value):
    """Requests that take about as much work."""

    name: str
    share: float = Field(description="of the requests of late, 0 to 1")
    seconds: float = Field(description="of work per request, model loads included")


class WaitingWork(Value):
    """Requests of one class that nothing works on yet."""

    name: str
    count: int
    seconds: float = Field(description="of work for each")


class DeploymentDecision(Value):
    """What was decided for one deployment, and why."""

    target: int = Field(description="replicas to have")
    replicas: int = Field(description="asked for before the decision")
    policy: PolicyName = Field(description="`serve` where Serve's own policy had to decide")
    binding: str = Field(description="what the target follows from in the end")
    reason: str
    default_policy: str = Field(description="what Serve's own policy would have done")
    would_change: tuple[str, ...]
    inputs: dict[str, float]
    work: tuple[ClassOfWork, ...] = Field((), description="what was asked for of late")
    waiting: tuple[WaitingWork, ...] | None = Field(
        None, description="by class; null where only their number is known"
    )


class KeptModel(Value):
    """A model that replicas of a deployment keep in memory, or should."""

    name: str
    share: float = Field(description="of the requests of late that any model was needed for")
    wanted: int = Field(description="replicas that should have it in memory")
    held: int = Field(description="replicas that have it, or load it for a request")
    loading: int = Field(description="replicas that load it ahead of requests")
    reason: str


class ScalingDecision(Value):
    """Targets of all autoscaled deployments at one moment."""

    at: datetime
    deployments: dict[str, DeploymentDecision]
    nodes: tuple[NodeLoad, ...] = ()
    gpus_budget: float | None = Field(None, description="GPUs for all; no limit if absent")
    kept: dict[str, tuple[KeptModel, ...]] = Field(
        {}, description="by deployment, where replicas keep models in memory; as it is now"
    )


class ScalingHistory(Value):
    """Decisions that changed a target, its cause or who decided; the newest last."""

    decisions: tuple[ScalingDecision, ...]


class DeploymentLoad(Value):
    """How busy one deployment is."""

    replicas: int
    load: float = Field(description="seconds of work per second")
    backlog_s: float = Field(description="seconds of work that wait")
    gpus: float = Field(description="taken by its replicas")
    default_policy: str


class ScalingMetrics(Value):
    """What the decisions are made from."""

    at: datetime
    gateway_node: NodeLoad = Field(description="measured now, where this answer was made")
    nodes: tuple[NodeLoad, ...] = Field(description="of the last decision")
    gpus: float = Field(description="in the cluster")
    gpus_free: float
    deployments: dict[str, DeploymentLoad]


def record(decision: Decision, snapshot: Snapshot) -> dict[str, DeploymentDecision]:
    """Put a decision into words and figures."""
    found = {}
    for name, choice in decision.choices.items():
        demand, terms = choice.demand, choice.demand.terms
        found[name] = DeploymentDecision(
            target=choice.target,
            replicas=demand.replicas,
            policy="orrery",
            binding=choice.binding,
            reason=explain.reason(choice),
            default_policy=explain.default(choice),
            would_change=explain.changes(choice),
            inputs={
                "load": round(demand.load, 3),
                "forecast": round(demand.forecast, 3),
                "arriving": round(demand.arriving, 3),
                "backlog_s": round(demand.backlog_s, 2),
                "cold_start_s": round(demand.cold_start_s, 1),
                "needed": round(choice.need, 3),
                "peak": round(choice.peak, 3),
                "min_replicas": terms.min_replicas,
                "max_replicas": terms.max_replicas,
                "gpu_share": terms.gpu_share,
                "priority": terms.priority,
                "service_s": round(demand.service_s, 3),
                "wait_s": terms.wait_s,
                "kept": terms.kept,
                "usd_per_hour": choice.target * terms.usd_per_replica_hour,
            },
            work=tuple(
                ClassOfWork(name=one.name, share=round(one.share, 3), seconds=round(one.seconds, 3))
                for one in demand.work
            ),
            waiting=None
            if demand.waiting is None
            else tuple(
                WaitingWork(name=one.name, count=one.count, seconds=round(one.seconds, 3))
                for one in demand.waiting
            ),
        )
    return found
