"""A decision in words."""

from models.scaling.decide import Choice, load_for

HARDLY = 1e-6


def reason(choice: Choice) -> str:
    """Why the target is what it is."""
    demand, terms = choice.demand, choice.demand.terms
    asked = f"{_load(choice)} asks for {choice.wish}"
    held = f"{asked}, but {choice.held} were needed within the last {terms.hold_s:.0f} s"
    said = {
        "load": asked,
        "minimum": f"{_load(choice)} asks for {choice.exact:.1f}; min_replicas is {choice.target}",
        "maximum": f"{_load(choice)} asks for {choice.exact:.1f}; max_replicas is {choice.target}",
        "hold": held,
        "pressure": f"{asked}, but no machine takes a further replica ({choice.pressed})",
        "budget": f"{asked}, but the GPUs are shared by priority (here {terms.priority}) and "
        f"{choice.gpus_left:g} are left for replicas of {terms.gpu_share:g}",
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
    demand, terms = choice.demand, choice.demand.terms
    said = []
    if choice.binding == "budget":
        said.append(f"grows with {terms.gpu_share:g} more GPUs, or when a higher priority shrinks")
    elif choice.binding == "pressure":
        said.append("grows once a machine has room")
    elif choice.target >= terms.max_replicas:
        said.append(f"grows only if max_replicas is raised above {terms.max_replicas}")
    else:
        said.append(f"grows at a load above {load_for(choice.target, demand):.2f}")
    if choice.target <= terms.min_replicas:
        said.append(f"shrinks only if min_replicas is lowered below {terms.min_replicas}")
    else:
        below = load_for(choice.target - 1, demand)
        said.append(f"shrinks at a load below {below:.2f} for {terms.hold_s:.0f} s")
    return tuple(said)


def _load(choice: Choice) -> str:
    demand = choice.demand
    words = [f"a load of {demand.load:.2f}"]
    if demand.forecast > demand.load + HARDLY:
        words.append(f"{demand.forecast:.2f} expected in {demand.cold_start_s:.0f} s")
    if demand.backlog_s > HARDLY:
        words.append(f"{demand.backlog_s:.0f} s of work waiting")
    return ", ".join(words)


def _change(before: int, after: int) -> str:
    if before == after:
        return f"stays at {after}"
    return f"{'grows' if after > before else 'shrinks'} from {before} to {after}"
