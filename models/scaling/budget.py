"""Shares GPUs between deployments that want more than there are."""

from collections.abc import Mapping

from models.scaling.snapshot import Terms

EPSILON = 1e-9


def share_gpus(
    wanted: Mapping[str, int], terms: Mapping[str, Terms], gpus: float
) -> dict[str, int]:
    """Replicas that fit a budget of GPUs.

    Minimum replicas come first, whatever they cost. Then higher priorities are filled before
    lower ones; among equals the next replica goes to whoever has the smallest part of its wish.

    Args:
        wanted: Replicas by deployment, within its bounds.
        terms: Of the same deployments.
        gpus: The budget.
    """
    granted = {n: wanted[n] if terms[n].gpu_share == 0 else terms[n].min_replicas for n in wanted}
    left = gpus - sum(granted[n] * terms[n].gpu_share for n in wanted)
    short = {n for n in wanted if granted[n] < wanted[n]}
    while short:
        first = max(terms[n].priority for n in short)
        name = min(
            (n for n in short if terms[n].priority == first),
            key=lambda n: (granted[n] / wanted[n], n),
        )
        if terms[name].gpu_share > left + EPSILON:
            short.discard(name)
            continue
        granted[name] += 1
        left -= terms[name].gpu_share
        if granted[name] == wanted[name]:
            short.discard(name)
    return granted
