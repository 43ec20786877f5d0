"""What a scaling decision is made from: values only, so that any moment can be replayed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

MANY = 1000  # requests that wait; what more of them are is not looked at


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment may have and how it should be kept.

    Attributes:
        min_replicas: Never fewer.
        max_replicas: Never more.
        concurrency: Requests that one replica works on at once.
        gpu_share: GPUs, or the share of one, that each replica takes.
        priority: Higher is served first when GPUs are short.
        drain_s: A backlog should be gone within this time.
        headroom: Replicas kept free, in units of the square root of the load (Halfin and Whitt
            1981): randomness of the arrivals grows like it.
        slack: Part of the need that is added when it changes; the band without change is twice it.
        hold_s: Shrink only to the largest need of this long.
        spare_s: Replica-seconds that a change is worth: shrink once so many could have been done
            without since the last change, so that many idle replicas go soon and a single one
            stays long. 0: shrink when the largest need leaves twice the slack free.
        changes_per_hour: Budget of changes, where `spare_s` is set: while it is overdrawn, shrinking
            has to spare more. 0 sets none.
        usd_per_replica_hour: Price of one replica.
        trust: How much of the load that is usual at the time of day, once a replica asked for now
            could work, counts as expected; 0 to 1.
        wait_s: The promise: work begins within this time of the request. 0 promises nothing, and
            `headroom` alone decides.
        kept: Share of requests for which the promise has to hold.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    concurrency: float = 1.0
    gpu_share: float = 0.0
    priority: int = 0
    drain_s: float = 60.0
    headroom: float = 1.0
    slack: float = 0.1
    hold_s: float = 300.0
    spare_s: float = 0.0
    changes_per_hour: float = 0.0
    usd_per_replica_hour: float = 0.0
    trust: float = 0.0
    wait_s: float = 0.0
    kept: float = 0.95


@dataclass(frozen=True, slots=True)
class WorkClass:
    """Requests that take about as much work.

    Attributes:
        name: As the capability calls them.
        share: Of the requests of late, 0 to 1.
        seconds: Of work per request, model loads included.
    """

    name: str
    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Requests of one class that nothing works on yet.

    Attributes:
        name: Of the class.
        count: How many.
        seconds: Of work for each.
    """

    name: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Demand:
    """One deployment at one moment.

    Attributes:
        terms: Its bounds.
        replicas: Asked for now, running or starting.
        load: Work that arrives, model loads included, in requests being worked on at once
            (seconds of work per second).
        forecast: The same, expected for the time when a replica asked for now could work.
        arriving: The same, by how what waits grows.
        backlog_s: Seconds of work that wait in queues.
        cold_start_s: From asking for a replica until it works, as measured.
        default_replicas: What Serve's own policy would ask for.
        service_s: Seconds of work per request; 0 if none was measured yet.
        work: The same by class.
        waiting: What the backlog is made of, where it is known by class.
    """

    terms: Terms
    replicas: int
    load: float = 0.0
    forecast: float = 0.0
    arriving: float = 0.0
    backlog_s: float = 0.0
    cold_start_s: float = 0.0
    default_replicas: int | None = None
    service_s: float = 0.0
    work: tuple[WorkClass, ...] = ()
    waiting: tuple[Waiting, ...] | None = None

    @property
    def queued(self) -> int | None:
        """Requests that nothing works on yet, where that is known."""
        return None if self.waiting is None else sum(one.count for one in self.waiting)


def demand_in_hand(
    terms: Terms,
    *,
    replicas: int,
    working: float,
    ongoing: float,
    service_s: float,
    cold_start_s: float,
    default_replicas: int | None = None,
    work: tuple[WorkClass, ...] = (),
    waiting: tuple[Waiting, ...] | None = None,
) -> Demand:
    """The demand of which only what is in hand and what waits is known.

    Args:
        terms: Of the deployment.
        replicas: Asked for now.
        working: Requests being worked on at once.
        ongoing: Those, and those that wait.
        service_s: Seconds of work per request.
        cold_start_s: From asking for a replica until it works.
        default_replicas: What Serve's own policy would ask for.
        work: By class, where it is known.
        waiting: What waits, where its classes are known; else `service_s` for each that waits.
    """
    backlog_s = max(ongoing - working, 0.0) * service_s
    if waiting is not None:
        backlog_s = sum(one.count * one.seconds for one in waiting)
    return Demand(
        terms=terms,
        replicas=replicas,
        load=working,
        backlog_s=backlog_s,
        cold_start_s=cold_start_s,
        default_replicas=default_replicas,
        service_s=service_s,
        work=work,
        waiting=waiting,
    )


@dataclass(frozen=True, slots=True)
class Node:
    """How full one machine is, each as a share from 0 to 1; `None` where no GPU is known of."""

    name: str
    cpu: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    gpu: float | None = None
    gpu_memory: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What all deployments share.

    Attributes:
        gpus: Budget of GPUs for all of them.
        cpu: Share above which a machine takes no further replica.
        memory: The same for its memory.
        disk: The same for its disk.
        nodes_can_join: Machines are added on demand, so that full ones are no obstacle.
    """

    gpus: float = math.inf
    cpu: float = 0.98
    memory: float = 0.92
    disk: float = 0.95
    nodes_can_join: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """Replicas that a deployment could have used at a moment.

    Attributes:
        at_s: The moment.
        replicas: Before rounding and bounds.
        spare_s: Replica-seconds that could have been done without since the last change.
        had: Replicas that were asked for then.
        changes_left: Of the budget of changes; below 0 it is overdrawn.
    """

    at_s: float
    replicas: float
    spare_s: float = 0.0
    had: int = 0
    changes_left: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a decision depends on.

    Attributes:
        now_s: Time of the snapshot, on any clock that does not jump.
        demands: By deployment.
        limits: Shared by all.
        nodes: Of the cluster.
        past: Earlier needs by deployment, as the previous decision returned them.
    """

    now_s: float
    demands: Mapping[str, Demand]
    limits: Limits = field(default_factory=Limits)
    nodes: tuple[Node, ...] = ()
    past: Mapping[str, tuple[Need, ...]] = field(default_factory=dict)
