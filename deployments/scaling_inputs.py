"""From what Serve's controller knows of a deployment to the values a decision is made from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ray.serve.config import AutoscalingContext

from deployments.node_metrics import number_as_name
from deployments.work import EACH_S, OFTEN
from models.scaling.snapshot import Demand, Node, Terms, Waiting, WorkClass, demand_in_hand

STALE_S = 45.0  # replicas report every 10 s

Series: TypeAlias = list[Any]  # of Serve's TimeStampedValue
Reports: TypeAlias = Mapping[str, Mapping[Any, Series]]  # metric, then replica


class InputsMissing(Exception):
    """The replicas have not said enough for a decision; the text says what is missing."""


def demand_of(
    ctx: AutoscalingContext,
    terms: Mapping[str, Any],
    cold_start_s: float,
    default_replicas: int,
    outstanding: Sequence[str] | None = None,
) -> Demand:
    """The demand of a deployment.

    Args:
        ctx: Of Serve.
        terms: Fields of `Terms` that the configuration sets.
        cold_start_s: From asking for a replica until it works, as measured.
        default_replicas: What Serve's own policy would ask for.
        outstanding: Kinds of what was sent and is not answered, the oldest first, where those who
            sent it told; else Serve's count of what waits, at the mean of the kinds.

    Raises:
        InputsMissing: No replica has reported yet, or none lately.
    """
    reports: Reports = ctx.raw_metrics or {}
    now_s = ctx.current_time or 0.0
    _check_age(reports.get("held_s", {}), now_s)
    work = classes_of(reports)
    own = {
        "min_replicas": ctx.capacity_adjusted_min_replicas,
        "max_replicas": ctx.capacity_adjusted_max_replicas,
        "gpu_share": max(_latest(reports, "gpu_share"), default=0.0),
    }
    bounds = Terms(**{**own, **terms})
    # Not Serve's mean of running requests: that begins with the first request after a pause, so
    # that a lone one is a load of 1. What replicas hold beyond their concurrency waits, and counts so.
    places = ctx.current_num_replicas * bounds.concurrency
    held = min(sum(rate(series) for series in reports["held_s"].values()), places)
    service_s = sum(one.share * one.seconds for one in work) or _measured_s(reports)
    waiting = None
    if outstanding is not None:
        waiting = waiting_of(outstanding[round(places) :], work, service_s)
    return demand_in_hand(
        bounds,
        replicas=ctx.target_num_replicas,
        working=held,
        ongoing=ctx.total_num_requests,
        service_s=service_s,
        cold_start_s=cold_start_s,
        default_replicas=default_replicas,
        work=work,
        waiting=waiting,
    )


def waiting_of(
    kinds: Sequence[str], work: Sequence[WorkClass], service_s: float
) -> tuple[Waiting, ...]:
    """What waits, by class; a class that was not measured yet takes as long as the mean."""
    seconds = {one.name: one.seconds for one in work}
    return tuple(
        Waiting(kind, count, seconds.get(kind, service_s))
        for kind, count in Counter(kinds).most_common()
    )


def classes_of(reports: Reports) -> tuple[WorkClass, ...]:
    """What all replicas did of late, by class of work: those that did more count for more."""
    seen: dict[str, list[tuple[float, float]]] = {}
    for metric, series in reports.items():
        if metric.startswith(OFTEN):
            name = metric.removeprefix(OFTEN)
            each_s = reports.get(EACH_S + name, {})
            seen[name] = [
                (float(often[-1].value), float(each_s[replica][-1].value))
                for replica, often in series.items()
                if often and each_s.get(replica)
            ]
    counts = {name: sum(count for count, _ in pieces) for name, pieces in seen.items()}
    total = sum(counts.values())
    return tuple(
        WorkClass(
            name,
            counts[name] / total,
            sum(count * seconds for count, seconds in seen[name]) / counts[name],
        )
        for name in sorted(counts)
        if counts[name] > 0
    )


def _measured_s(reports: Reports) -> float:
    """Seconds per request where replicas do not tell classes.

    A replica that has answered nothing yet reports 0. The mean, not the largest: of several noisy
    figures the largest grows with their number.
    """
    measured = [seconds for seconds in _latest(reports, "service_s") if seconds > 0]
    return sum(measured) / len(measured) if measured else 0.0


def nodes_of(ctx: AutoscalingContext) -> dict[str, Node]:
    """The machines on which the replicas of a deployment run, by name.

    Of GPUs speak only replicas that have a share of one.
    """
    reports: Reports = ctx.raw_metrics or {}
    found = {}
    for replica, series in reports.get("node", {}).items():
        name = number_as_name(series[-1].value)
        shares = {what: reports[what][replica][-1].value for what in ("cpu", "memory", "disk")}
        for what in ("gpu", "gpu_memory"):
            if series_of_gpu := reports.get(what, {}).get(replica):
                shares[what] = series_of_gpu[-1].value
        found[name] = Node(name, **shares)
    return found


def join_nodes(known: Mapping[str, Node], seen: Mapping[str, Node]) -> dict[str, Node]:
    """Both; what one deployment says of a machine's GPUs is not lost to one that has none."""
    joined = dict(known)
    for name, node in seen.items():
        if node.gpu is not None or name not in joined:
            joined[name] = node
    return joined


def rate(series: Series) -> float:
    """Growth per second of a counter."""
    first, last = series[0], series[-1]
    span_s = last.timestamp - first.timestamp
    return max(last.value - first.value, 0.0) / span_s if span_s > 0 else 0.0


def _check_age(held: Mapping[Any, Series], now_s: float) -> None:
    newest = max((series[-1].timestamp for series in held.values() if series), default=None)
    if newest is None:
        raise InputsMissing("no replica has reported yet")
    if now_s - newest > STALE_S:
        raise InputsMissing(f"the last report of a replica is {now_s - newest:.0f} s old")


def _latest(reports: Reports, what: str) -> list[float]:
    return [float(series[-1].value) for series in reports.get(what, {}).values() if series]
