"""Which promises were kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from graphs.chaos.load import Order


@dataclass(frozen=True)
class Verdict:
    """What chaos found; the promises are those that must be 0."""

    faults: int
    accepted: int
    completed: int
    failed: int
    cancelled: int
    lost: int
    wrong_final_states: int
    effects: int
    effects_twice: int
    effects_missing: int
    repeats_absorbed: int
    takeovers: int
    takeover_p50_s: float
    takeover_p99_s: float
    minutes: float

    @property
    def is_kept(self) -> bool:
        """Whether every promise was; how soon a takeover comes depends on the machine."""
        broken = self.lost + self.wrong_final_states + self.effects_twice + self.effects_missing
        return broken == 0

    def rows(self) -> Sequence[tuple[str, str]]:
        """As a table."""
        return [(name.replace("_", " "), f"{value:g}") for name, value in asdict(self).items()]


def judge(
    orders: Sequence[Order],
    effects: Mapping[str, int],
    repeats: int,
    deaths: Sequence[float],
    faults: int,
    minutes: float,
) -> Verdict:
    """Compare what was accepted with what became of it.

    Args:
        orders: All of them.
        effects: How often each intent happened.
        repeats: Effects asked for again under the same key.
        deaths: Times at which an orchestrator was hit.
        faults: How often anything was hit.
        minutes: How long it took.
    """
    accepted = [order for order in orders if order.run_ids]
    completed = [order for order in accepted if order.state == "completed"]
    waits = sorted(takeovers(orders, deaths))
    return Verdict(
        faults=faults,
        accepted=len(accepted),
        completed=len(completed),
        failed=sum(order.state == "failed" for order in accepted),
        cancelled=sum(order.state == "cancelled" for order in accepted),
        lost=sum(order.state == "unknown" for order in accepted),
        wrong_final_states=sum(order.is_wrong for order in accepted),
        effects=sum(effects.values()),
        effects_twice=sum(count > 1 for count in effects.values()),
        effects_missing=sum(
            intent not in effects for order in completed for intent in order.intents
        ),
        repeats_absorbed=repeats,
        takeovers=len(waits),
        takeover_p50_s=_percentile(waits, 0.5),
        takeover_p99_s=_percentile(waits, 0.99),
        minutes=round(minutes, 1),
    )


def takeovers(orders: Sequence[Order], deaths: Sequence[float]) -> list[float]:
    """Seconds from the hit on an orchestrator to the new start of a step that it had in hand.

    The step was silent in between; the first hit within the silence counts.
    """
    found = []
    for order in orders:
        for silent_since, again_at in order.restarts:
            hits = [at for at in deaths if silent_since <= at <= again_at]
            if hits:
                found.append(again_at - min(hits))
    return found


def _percentile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else 0.0
