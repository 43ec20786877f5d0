"""The scaling decision: from a snapshot to targets, with all that explains them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.scaling.budget import EPSILON, share_gpus
from models.scaling.snapshot import Demand, Limits, Node, Snapshot, Terms, Wish

Binding = Literal["load", "minimum", "maximum", "hold", "pressure", "budget"]
"""What a target follows from in the end."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision for one deployment, with the figures it was made from.

    Attributes:
        target: Replicas to have from now on.
        binding: What it follows from.
        exact: Replicas that the load asks for, before rounding and bounds.
        wish: The same, rounded up and within the bounds.
        held: The largest wish of the holding time.
        demand: The input.
        pressed: What the machines lack, in words; empty if nothing.
        gpus_left: Of the budget, after this decision.
        past: Wishes to pass into the next snapshot.
    """

    target: int
    binding: Binding
    exact: float
    wish: int
    held: int
    demand: Demand
    pressed: str
    gpus_left: float
    past: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Targets for all deployments of a snapshot."""

    choices: Mapping[str, Choice]

    @property
    def targets(self) -> dict[str, int]:
        """Replicas by deployment."""
        return {name: choice.target for name, choice in self.choices.items()}

    @property
    def past(self) -> dict[str, tuple[Wish, ...]]:
        """Wishes to pass into the next snapshot."""
        return {name: choice.past for name, choice in self.choices.items()}


def decide(snapshot: Snapshot) -> Decision:
    """Decide how many replicas each deployment should have.

    The wish of a deployment is its load (or the forecast, if larger), what drains its backlog in
    time, and headroom for chance. It grows at once and shrinks to the largest wish of the holding
    time. Full machines stop growth; what is left competes for GPUs by priority.
    """
    pressed = pressure(snapshot.nodes, snapshot.limits)
    exact = {n: exact_wish(d) for n, d in snapshot.demands.items()}
    past = {n: _remember(n, exact[n], d.terms, snapshot) for n, d in snapshot.demands.items()}
    held = {n: max(wish.replicas for wish in wishes) for n, wishes in past.items()}
    fitting = {n: _fitting(held[n], d, pressed) for n, d in snapshot.demands.items()}
    terms = {n: d.terms for n, d in snapshot.demands.items()}
    targets = share_gpus(fitting, terms, snapshot.limits.gpus)
    used = sum(targets[n] * terms[n].gpu_share for n in targets)
    choices = {}
    for name, demand in snapshot.demands.items():
        wish = bounded(exact[name], demand.terms)
        choices[name] = Choice(
            target=targets[name],
            binding=_binding(exact[name], wish, held[name], fitting[name], targets[name]),
            exact=exact[name],
            wish=wish,
            held=held[name],
            demand=demand,
            pressed=pressed,
            gpus_left=snapshot.limits.gpus - used,
            past=past[name],
        )
    return Decision(choices)


def exact_wish(demand: Demand) -> float:
    """Replicas for a demand, before rounding and bounds.

    Source: square-root staffing, Halfin and Whitt 1981, Operations Research 29(3).
    """
    terms = demand.terms
    load = max(demand.load, demand.forecast, 0.0) / terms.concurrency
    backlog = max(demand.backlog_s, 0.0) / (terms.concurrency * terms.drain_s)
    return load + backlog + terms.headroom * math.sqrt(load)


def load_for(replicas: float, demand: Demand) -> float:
    """The load at which a demand with the same backlog would just need so many replicas."""
    terms = demand.terms
    room = max(replicas - demand.backlog_s / (terms.concurrency * terms.drain_s), 0.0)
    root = (math.sqrt(terms.headroom**2 + 4 * room) - terms.headroom) / 2
    return root * root * terms.concurrency


def bounded(exact: float, terms: Terms) -> int:
    """Whole replicas within the bounds."""
    return min(max(math.ceil(exact - EPSILON), terms.min_replicas), terms.max_replicas)


def pressure(nodes: tuple[Node, ...], limits: Limits) -> str:
    """What keeps every machine from taking a further replica; empty while one still can."""
    if not nodes or limits.nodes_can_join:
        return ""
    found = [_fullness(node, limits) for node in nodes]
    return "; ".join(found) if all(found) else ""


def _fullness(node: Node, limits: Limits) -> str:
    parts = (("memory", node.memory, limits.memory), ("disk", node.disk, limits.disk))
    parts = (*parts, ("CPU", node.cpu, limits.cpu))
    full = [f"{what} at {share:.0%}" for what, share, limit in parts if share >= limit]
    return f"{node.name}: {', '.join(full)}" if full else ""


def _remember(name: str, exact: float, terms: Terms, snapshot: Snapshot) -> tuple[Wish, ...]:
    """Wishes of the holding time; one that a later, larger one outlives can be forgotten."""
    now = Wish(snapshot.now_s, bounded(exact, terms))
    since = snapshot.now_s - terms.hold_s
    kept = tuple(
        wish
        for wish in snapshot.past.get(name, ())
        if wish.at_s > since and wish.replicas > now.replicas
    )
    return (*kept, now)


def _fitting(held: int, demand: Demand, pressed: str) -> int:
    # The past may stem from other bounds: a configuration may have changed since.
    terms = demand.terms
    target = min(max(held, terms.min_replicas), terms.max_replicas)
    if pressed and target > demand.replicas:
        return max(demand.replicas, terms.min_replicas)
    return target


def _binding(exact: float, wish: int, held: int, fitting: int, target: int) -> Binding:
    if target < fitting:
        return "budget"
    if fitting < held:
        return "pressure"
    if held > wish:
        return "hold"
    if wish > math.ceil(exact - EPSILON):
        return "minimum"
    return "maximum" if wish < math.ceil(exact - EPSILON) else "load"
