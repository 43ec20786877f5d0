"""A decision in words."""

import math

from models.scaling.decide import Choice, load_for, promises, worth_s
from models.scaling.snapshot import Demand

HARDLY = 1e-6
TOLD = 3  # classes of work, the most frequent


def reason(choice: Choice) -> str:
    """Why the target is what it is."""
    demand, terms = choice.demand, choice.demand.terms
    asked = f"{_load(choice)}: {choice.need:.1f} replicas needed{_promise(choice)}"
    said = {
        "load": asked,
        "minimum": f"{asked}; min_replicas is {terms.min_replicas}",
        "maximum": f"{asked}; max_replicas is {terms.max_replicas}",
        "hold": f"{asked}, {choice.peak:.1f} within the last {terms.hold_s:.0f} s{_spare(choice)}",
        "pressure": f"{asked}, but no machine takes a further replica ({choice.pressed})",
        "budget": f"{asked}, but the GPUs are shared by priority (here {terms.priority}) and "
        f"{max(choice.gpus_left, 0):g} are left for replicas of {terms.gpu_share:g}",
    }[choice.binding]
    return f"{_change(demand.replicas, choice.target)}: {said}"


def default(choice: Choice) -> str:
    """What Serve's own policy would have done."""
    count = choice.demand.default_replicas
    if count is None:
        return "not known"
    return f"{count}, the same" if count == choice.target else f"{count} instead of {choice.target}"


def changes(choice: Choice) -> tuple[str, ...]:
    """What would change the target, each a sentence."""
    return _growth(choice), _shrinking(choice)


def _growth(choice: Choice) -> str:
    terms = choice.demand.terms
    if choice.binding == "budget":
        return f"grows with {terms.gpu_share:g} more GPUs, or when a higher priority shrinks"
    if choice.binding == "pressure":
        return "grows once a machine has room"
    if choice.target >= terms.max_replicas:
        return f"grows only if max_replicas is raised above {terms.max_replicas}"
    return f"grows at a load above {load_for(choice.target, choice.demand):.2f}"


def _shrinking(choice: Choice) -> str:
    terms = choice.demand.terms
    if choice.target <= terms.min_replicas:
        return f"shrinks only if min_replicas is lowered below {terms.min_replicas}"
    if terms.spare_s > 0:
        last = choice.past[-1]
        missing_s = max(worth_s(terms, last) - last.spare_s, 0)
        return f"shrinks once {missing_s:.0f} more replica-seconds were spare"
    free = math.ceil(choice.target * (1 - terms.slack)) - 1
    below = load_for(free / (1 + terms.slack), choice.demand)
    return f"shrinks at a load of at most {below:.2f} for {terms.hold_s:.0f} s"


def _load(choice: Choice) -> str:
    demand = choice.demand
    words = [f"a load of {demand.load:.2f}"]
    if demand.arriving > demand.load + HARDLY:
        words.append(f"{demand.arriving:.2f} arriving")
    if demand.forecast > demand.load + HARDLY:
        words.append(f"{demand.forecast:.2f} expected in {demand.cold_start_s:.0f} s")
    if demand.backlog_s > HARDLY:
        words.append(f"{demand.backlog_s:.0f} s of work waiting{_waiting(demand)}")
    return ", ".join(words)


def _waiting(demand: Demand) -> str:
    most = sorted(demand.waiting or (), key=lambda one: -one.count * one.seconds)[:TOLD]
    said = ", ".join(f"{one.count} {one.name} of {one.seconds:.1f} s" for one in most)
    return f" ({said})" if said else ""


def _spare(choice: Choice) -> str:
    terms, last = choice.demand.terms, choice.past[-1]
    if terms.spare_s <= 0:
        return ""
    said = f", {last.spare_s:.0f} of {worth_s(terms, last):.0f} replica-seconds spare"
    overdrawn = f", {-last.changes_left:.1f} changes overdrawn" if last.changes_left < 0 else ""
    return f"{said}{overdrawn}"


def _promise(choice: Choice) -> str:
    if not promises(choice.demand):
        return ""
    terms = choice.demand.terms
    kept = f" so that {terms.kept:.0%} of requests begin within {terms.wait_s:g} s"
    classes = sorted(choice.demand.work, key=lambda one: -one.share)[:TOLD]
    lately = ", ".join(f"{one.share:.0%} {one.name} of {one.seconds:.1f} s" for one in classes)
    return f"{kept} (lately {lately})" if lately else kept


def _change(before: int, after: int) -> str:
    if before == after:
        return f"stays at {after}"
    return f"{'grows' if after > before else 'shrinks'} from {before} to {after}"
