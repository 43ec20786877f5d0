"""The scaling decision: from a snapshot to targets, with all that explains them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.scaling.budget import EPSILON, share_gpus
from models.scaling.snapshot import Demand, Limits, Need, Node, Snapshot, Terms
from models.scaling.staffing import load_kept, servers_for

SAVED_H = 24.0  # hours of the budget of changes: so many can be saved up
OVERDRAWN_H = 6.0  # once so many are overdrawn, a change has to be worth e times as much

Binding = Literal["load", "minimum", "maximum", "hold", "pressure", "budget"]
"""What a target follows from in the end."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision for one deployment, with the figures it was made from.

    Attributes:
        target: Replicas to have from now on.
        binding: What it follows from.
        need: Replicas that the demand asks for, before rounding and bounds.
        peak: The largest need of the holding time.
        wish: Replicas that follow from them, before machines and GPUs are looked at.
        demand: The input.
        pressed: What the machines lack, in words; empty if nothing.
        gpus_left: Of the budget, after this decision.
        past: Needs to pass into the next snapshot.
    """

    target: int
    binding: Binding
    need: float
    peak: float
    wish: int
    demand: Demand
    pressed: str
    gpus_left: float
    past: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Targets for all deployments of a snapshot."""

    choices: Mapping[str, Choice]

    @property
    def targets(self) -> dict[str, int]:
        """Replicas by deployment."""
        return {name: choice.target for name, choice in self.choices.items()}

    @property
    def past(self) -> dict[str, tuple[Need, ...]]:
        """Needs to pass into the next snapshot."""
        return {name: choice.past for name, choice in self.choices.items()}


def decide(snapshot: Snapshot) -> Decision:
    """Decide how many replicas each deployment should have.

    The need of a deployment is its load (or the forecast, or what arrives, if larger), what drains
    its backlog in time, and room for chance: as much as a promised waiting time takes, else
    headroom. A need above what there is grows the deployment at once, with some slack on top, so
    that the next small rise needs no change; it shrinks when the largest need of the holding time
    would leave twice the slack free, or once the spare replicas have cost what a change is worth.
    Full machines stop growth; what is left competes for GPUs by priority.
    """
    pressed = pressure(snapshot.nodes, snapshot.limits)
    needs = {n: need(d) for n, d in snapshot.demands.items()}
    past = {n: _remember(n, needs[n], d, snapshot) for n, d in snapshot.demands.items()}
    peaks = {n: max(moment.replicas for moment in moments) for n, moments in past.items()}
    wishes = {n: wish(needs[n], peaks[n], d, past[n][-1]) for n, d in snapshot.demands.items()}
    fitting = {n: _fitting(wishes[n], d, pressed) for n, d in snapshot.demands.items()}
    terms = {n: d.terms for n, d in snapshot.demands.items()}
    targets = share_gpus(fitting, terms, snapshot.limits.gpus)
    used = sum(targets[n] * terms[n].gpu_share for n in targets)
    return Decision(
        {
            name: Choice(
                target=targets[name],
                binding=_binding(needs[name], wishes[name], fitting[name], targets[name], demand),
                need=needs[name],
                peak=peaks[name],
                wish=wishes[name],
                demand=demand,
                pressed=pressed,
                gpus_left=snapshot.limits.gpus - used,
                past=past[name],
            )
            for name, demand in snapshot.demands.items()
        }
    )


def wish(needed: float, peak: float, demand: Demand, last: Need) -> int:
    """Whole replicas within the bounds: the present number unless a change is worth it."""
    terms = demand.terms
    present = _bounded(demand.replicas, terms)
    fewer = with_slack(peak, terms)
    if needed > present + EPSILON:
        found = with_slack(needed, terms)
    elif terms.spare_s > 0:
        found = fewer if fewer < present and last.spare_s >= worth_s(terms, last) else present
    elif fewer < math.ceil(present * (1 - terms.slack) - EPSILON):
        found = fewer
    else:
        found = present
    return _bounded(found, terms)


def _bounded(replicas: int, terms: Terms) -> int:
    return min(max(replicas, terms.min_replicas), terms.max_replicas)


def with_slack(needed: float, terms: Terms) -> int:
    """Whole replicas for a need, with the slack on top."""
    return math.ceil(needed * (1 + terms.slack) - EPSILON)


def worth_s(terms: Terms, last: Need) -> float:
    """Replica-seconds that a change has to spare: more while the budget of changes is overdrawn."""
    if terms.changes_per_hour <= 0:
        return terms.spare_s
    overdrawn_h = max(-last.changes_left, 0.0) / terms.changes_per_hour
    return terms.spare_s * math.exp(overdrawn_h / OVERDRAWN_H)


def need(demand: Demand) -> float:
    """Replicas for a demand, before rounding and bounds.

    Source: square-root staffing, Halfin and Whitt 1981, Operations Research 29(3).
    """
    terms = demand.terms
    load = max(demand.load, demand.forecast, demand.arriving, 0.0)
    backlog = for_backlog(demand)
    if promises(demand):
        most = math.ceil((terms.max_replicas + 1) * terms.concurrency)  # one more says "too many"
        promise = (demand.service_s, terms.wait_s, terms.kept)
        return servers_for(load, *promise, most) / terms.concurrency + backlog
    load /= terms.concurrency
    return load + backlog + terms.headroom * math.sqrt(load)


def for_backlog(demand: Demand) -> float:
    """Replicas that work off what waits in time; more than requests wait would be of no use."""
    side_by_side = max(demand.backlog_s, 0.0) / demand.terms.drain_s
    if demand.queued is not None:
        side_by_side = min(side_by_side, demand.queued)
    return side_by_side / demand.terms.concurrency


def promises(demand: Demand) -> bool:
    """Whether a promised waiting time decides, and not the headroom."""
    return demand.terms.wait_s > 0 and demand.service_s > 0


def load_for(replicas: float, demand: Demand) -> float:
    """The load at which a demand with the same backlog would just need so many replicas."""
    terms = demand.terms
    room = max(replicas - for_backlog(demand), 0.0)
    if promises(demand):
        servers = math.floor(room * terms.concurrency + EPSILON)
        return load_kept(servers, demand.service_s, terms.wait_s, terms.kept)
    root = (math.sqrt(terms.headroom**2 + 4 * room) - terms.headroom) / 2
    return root * root * terms.concurrency


def pressure(nodes: tuple[Node, ...], limits: Limits) -> str:
    """What keeps every machine from taking a further replica; empty while one still can."""
    if not nodes or limits.nodes_can_join:
        return ""
    found = [_fullness(node, limits) for node in nodes]
    return "; ".join(found) if all(found) else ""


def _fullness(node: Node, limits: Limits) -> str:
    parts = [
        ("memory", node.memory, limits.memory),
        ("disk", node.disk, limits.disk),
        ("CPU", node.cpu, limits.cpu),
    ]
    full = [f"{what} at {share:.0%}" for what, share, limit in parts if share >= limit]
    return f"{node.name}: {', '.join(full)}" if full else ""


def _remember(name: str, needed: float, demand: Demand, snapshot: Snapshot) -> tuple[Need, ...]:
    """Needs of the holding time; one that a later, larger one outlives can be forgotten."""
    since = snapshot.now_s - demand.terms.hold_s
    before = snapshot.past.get(name, ())
    kept = tuple(m for m in before if m.at_s > since and m.replicas > needed)
    peak = max((moment.replicas for moment in kept), default=needed)
    spare_s = _spare_s(before, snapshot.now_s, needed, peak, demand)
    left = _changes_left(before, snapshot.now_s, demand)
    return (*kept, Need(snapshot.now_s, needed, spare_s, demand.replicas, left))


def _changes_left(before: tuple[Need, ...], now_s: float, demand: Demand) -> float:
    """Of the budget of changes, after what changed since the last decision; below 0: overdrawn."""
    per_hour = demand.terms.changes_per_hour
    if per_hour <= 0 or not before:
        return 0.0
    last = before[-1]
    left = last.changes_left + per_hour * (now_s - last.at_s) / 3600
    left -= demand.replicas != last.had
    return min(max(left, -SAVED_H * per_hour), SAVED_H * per_hour)


def _spare_s(
    before: tuple[Need, ...], now_s: float, needed: float, peak: float, demand: Demand
) -> float:
    """Replica-seconds that could have been done without; a time without any takes some off."""
    terms = demand.terms
    present = _bounded(demand.replicas, terms)
    last = before[-1] if before else Need(now_s, needed)
    if terms.spare_s <= 0 or needed > present + EPSILON:
        return 0.0
    so_far_s = 0.0 if last.spare_s >= worth_s(terms, last) else last.spare_s  # it was spent
    spare = present - _bounded(with_slack(peak, terms), terms)
    return max(so_far_s + (now_s - last.at_s) * (spare if spare > 0 else -1), 0.0)


def _fitting(wished: int, demand: Demand, pressed: str) -> int:
    if pressed and wished > demand.replicas:
        return max(demand.replicas, demand.terms.min_replicas)
    return wished


def _binding(needed: float, wished: int, fitting: int, target: int, demand: Demand) -> Binding:
    terms = demand.terms
    if target < fitting:
        return "budget"
    if fitting < wished:
        return "pressure"
    if needed > terms.max_replicas + EPSILON:
        return "maximum"
    if wished == terms.min_replicas and needed < terms.min_replicas:
        return "minimum"
    return "hold" if wished > with_slack(needed, terms) else "load"
