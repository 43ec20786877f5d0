"""Which promises were kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from graphs.chaos.load import Order
from graphs.chaos.takeovers import Hit, Takeover, takeovers

CAUSES: Final = ("kill", "freeze", "restart", "none")


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
    minutes: float
    takeovers: Mapping[str, float]

    @property
    def is_kept(self) -> bool:
        """Whether every promise was; how soon a takeover comes depends on the machine."""
        broken = self.lost + self.wrong_final_states + self.effects_twice + self.effects_missing
        return broken == 0

    def rows(self) -> Sequence[tuple[str, str]]:
        """As a table."""
        figures = asdict(self)
        figures |= figures.pop("takeovers")
        return [(name.replace("_", " "), f"{value:g}") for name, value in figures.items()]


def judge(
    orders: Sequence[Order],
    effects: Mapping[str, int],
    repeats: int,
    hits: Sequence[Hit],
    faults: int,
    minutes: float,
) -> Verdict:
    """Compare what was accepted with what became of it.

    Args:
        orders: All of them.
        effects: How often each intent happened.
        repeats: Effects asked for again under the same key.
        hits: On orchestrators and on the database.
        faults: How often anything was hit.
        minutes: How long it took.
    """
    accepted = [order for order in orders if order.run_ids]
    completed = [order for order in accepted if order.state == "completed"]
    moves = [move for order in orders for move in order.moves]
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
        minutes=round(minutes, 1),
        takeovers=_summary(takeovers(moves, hits)),
    )


def _summary(found: Sequence[Takeover]) -> dict[str, float]:
    """Count and percentiles of all takeovers, and by cause."""
    summary: dict[str, float] = {"takeovers": len(found)}
    seconds = [takeover.seconds for takeover in found]
    with_database = sorted(takeover.with_database_s for takeover in found)
    summary["takeover_p50_s"] = _percentile(seconds, 0.5)
    summary["takeover_p99_s"] = _percentile(seconds, 0.99)
    summary["takeover_max_s"] = _percentile(seconds, 1)
    summary["takeover_p99_less_database_restarts_s"] = _percentile(with_database, 0.99)
    for cause in CAUSES:
        own = [takeover.seconds for takeover in found if takeover.cause == cause]
        summary[f"takeovers_after_{cause}"] = len(own)
        summary[f"takeover_after_{cause}_p50_s"] = _percentile(own, 0.5)
        summary[f"takeover_after_{cause}_p99_s"] = _percentile(own, 0.99)
    return summary


def _percentile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else 0.0
