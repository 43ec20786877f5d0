"""The autoscaling policy of the application: one decision for all deployments, explained.

Serve's controller calls it in its control loop. Serve then applies the delays and bounds of
`autoscaling_config`. Where inputs are missing or the decision fails, Serve's own policy decides,
and the ledger says so.
"""

import logging
import math
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ray.serve._private.common import DeploymentID
from ray.serve.config import AutoscalingContext

from deployments.ledger import HEARD_S, open_ledger
from deployments.scaling_inputs import InputsMissing, demand_of, join_nodes, nodes_of
from deployments.serve_default import wished
from models.scaling.decide import decide
from models.scaling.forecast import DayProfile, Rise
from models.scaling.record import DeploymentDecision, NodeLoad, ScalingDecision, record
from models.scaling.snapshot import Demand, Limits, Need, Node, Snapshot, Terms

logger = logging.getLogger(__name__)

PERIOD_S = 1.0  # the controller asks ten times as often
ASKED_S = 0.35  # before a decision the ledger is asked what waits
COLD_START_S = 30.0  # until the first is measured
SMOOTHING = 0.3

Contexts: TypeAlias = dict[DeploymentID, AutoscalingContext]
Targets: TypeAlias = dict[DeploymentID, int]
States: TypeAlias = dict[DeploymentID, dict[str, Any]]


class Policy:
    """Application-level policy of `serve_config.yaml`.

    Args:
        deployments: Fields of `Terms` by deployment, such as `priority` and `headroom`.
        gpus: GPUs that all deployments share; no limit if absent.
        limits: Further fields of `Limits`.

    Raises:
        TypeError: A field has no such name.
    """

    def __init__(
        self,
        deployments: Mapping[str, Mapping[str, float]] | None = None,
        gpus: float | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self._terms = {name: dict(terms) for name, terms in (deployments or {}).items()}
        for terms in self._terms.values():
            Terms(**terms)  # type: ignore[arg-type]  # only the names are checked
        self._limits = Limits(gpus=math.inf if gpus is None else gpus, **(limits or {}))  # type: ignore[arg-type]
        self._past: dict[str, tuple[Need, ...]] = {}
        self._starts: dict[str, _ColdStart] = {}
        self._days: dict[str, DayProfile] = {}  # as old as the controller: a new one learns anew
        self._rises: dict[str, Rise] = {}
        self._targets: Targets = {}
        self._told: Mapping[str, tuple[int, str, str]] = {}
        self._next_s = -math.inf
        self._ledger: Any = None  # the actor lives as long as this handle
        self._answer: Future[Mapping[str, tuple[str, ...]]] | None = None  # of the ledger
        self._asked = False  # since the last decision
        self._outstanding: Mapping[str, tuple[str, ...]] = {}
        self._outstanding_at_s = -math.inf

    def __call__(self, contexts: Contexts) -> tuple[Targets, States]:
        """Replicas for each deployment, from what the controller knows of all of them."""
        now_s = max((ctx.current_time or 0.0 for ctx in contexts.values()), default=0.0)
        if now_s >= self._next_s or set(contexts) != set(self._targets):
            self._next_s = now_s + PERIOD_S
            self._targets = self._decide(contexts, now_s)
        elif now_s >= self._next_s - ASKED_S and not self._asked:
            self._ask()
        return dict(self._targets), {}

    def _decide(self, contexts: Contexts, now_s: float) -> Targets:
        named = {ctx.deployment_name: ctx for ctx in contexts.values()}
        self._hear(now_s)
        demands, decided, nodes = self._read(named)
        try:
            limits = self._limits
            snapshot = Snapshot(now_s, demands, limits, tuple(nodes.values()), self._past)
            decision = decide(snapshot)
            self._past = decision.past
            decided |= record(decision, snapshot)
        except Exception as error:  # whatever it was, the service must go on scaling
            logger.exception("scaling decision failed")
            said = f"the policy failed: {type(error).__name__}: {error}"
            decided |= {name: _by_serve(named[name], said) for name in demands}
        self._tell(named, decided, nodes)
        return {d_id: decided[ctx.deployment_name].target for d_id, ctx in contexts.items()}

    def _read(
        self, named: Mapping[str, AutoscalingContext]
    ) -> tuple[dict[str, Demand], dict[str, DeploymentDecision], dict[str, Node]]:
        """Demands of the deployments that reported, decisions of Serve for the others, nodes."""
        demands: dict[str, Demand] = {}
        decided: dict[str, DeploymentDecision] = {}
        nodes: dict[str, Node] = {}
        for name, ctx in named.items():
            cold_start = self._starts.setdefault(name, _ColdStart())
            cold_start.see(ctx)
            try:
                terms = self._terms.get(name, {})
                sent = self._outstanding.get(name)
                demand = demand_of(ctx, terms, cold_start.seconds, wished(ctx), sent)
                demands[name] = self._expect(name, ctx, demand)
                nodes = join_nodes(nodes, nodes_of(ctx))
            except InputsMissing as missing:
                decided[name] = _by_serve(ctx, str(missing))
            except Exception as error:
                logger.exception("scaling inputs cannot be read", extra={"deployment": name})
                said = f"the inputs cannot be read: {type(error).__name__}: {error}"
                decided[name] = _by_serve(ctx, said)
        return demands, decided, nodes

    def _expect(self, name: str, ctx: AutoscalingContext, demand: Demand) -> Demand:
        """The demand with what arrives, and what is usual at this time of day as far as trusted."""
        now_s = ctx.current_time or 0.0
        window_s = Rise.window_s if ctx.config is None else ctx.config.look_back_period_s
        rise = self._rises.setdefault(name, Rise(window_s))
        profile = self._days.setdefault(name, DayProfile())
        profile.learn(now_s, demand.load)
        usual = profile.expect(now_s + demand.cold_start_s) or 0.0
        comes = rise.arriving(now_s, demand)
        return replace(demand, forecast=demand.terms.trust * usual, arriving=comes)

    def _ask(self) -> None:
        """Ask the ledger what waits, so that the next decision has it as it is now."""
        self._asked = True
        try:
            if self._ledger is not None:
                self._answer = self._ledger.outstanding.remote().future()
        except Exception:  # a lost ledger must not stop scaling
            logger.exception("what waits cannot be asked for")

    def _hear(self, now_s: float) -> None:
        """Take what waits from the answer of the ledger, if it is there."""
        self._asked = False
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            if answer.exception() is None:
                self._outstanding, self._outstanding_at_s = answer.result(), now_s
        if now_s - self._outstanding_at_s > HEARD_S:
            self._outstanding = {}

    def _tell(
        self,
        named: Mapping[str, AutoscalingContext],
        decided: dict[str, DeploymentDecision],
        nodes: Mapping[str, Node],
    ) -> None:
        """Send the decision to the ledger and do not wait: the control loop must go on."""
        told = {name: (one.target, one.policy, one.binding) for name, one in decided.items()}
        app_name = next((ctx.app_name or "" for ctx in named.values()), "")
        try:
            decision = ScalingDecision(
                at=datetime.now(UTC),
                deployments=decided,
                nodes=tuple(NodeLoad(**asdict(node)) for node in nodes.values()),
                gpus_budget=None if math.isinf(self._limits.gpus) else self._limits.gpus,
            )
            if self._ledger is None:
                self._ledger = open_ledger(app_name)
            answer = self._ledger.note.remote(decision, told != self._told)
            if self._answer is None:
                self._answer = answer.future()
        except Exception:  # a lost ledger must not stop scaling
            logger.exception("scaling decision not recorded")
        self._told = told


def _by_serve(ctx: AutoscalingContext, why: str) -> DeploymentDecision:
    """Serve's own policy decides."""
    target = min(
        max(wished(ctx), ctx.capacity_adjusted_min_replicas), ctx.capacity_adjusted_max_replicas
    )
    return DeploymentDecision(
        target=target,
        replicas=ctx.target_num_replicas,
        policy="serve",
        binding="default",
        reason=f"Serve's own policy decides, since {why}",
        default_policy=f"{target}, the same",
        would_change=("reports of the replicas bring the explained policy back",),
        inputs={"ongoing_requests": round(ctx.total_num_requests, 3)},
    )


@dataclass
class _ColdStart:
    """Measures how long a replica takes from being asked for until it works."""

    seconds: float = COLD_START_S
    _target: int = 0
    _asked_s: float | None = None

    def see(self, ctx: AutoscalingContext) -> None:
        now_s = ctx.current_time or 0.0
        if ctx.target_num_replicas > self._target:
            self._asked_s = now_s
        self._target = ctx.target_num_replicas
        if self._asked_s is not None and ctx.current_num_replicas >= self._target:
            self.seconds += SMOOTHING * (now_s - self._asked_s - self.seconds)
            self._asked_s = None
