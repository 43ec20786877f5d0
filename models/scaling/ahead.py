"""What the replicas of a deployment have in memory, and what each should load ahead of demand."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from models.scaling.placement import CROWDING, MIN_BUSY, copies, missing
from models.scaling.popularity import Popularity
from models.scaling.record import KeptModel

REPORT_S = 10.0  # between reports of a replica
QUIET_S = 30.0  # a replica that says nothing for so long is forgotten
AVERAGED_S = 300.0  # of a replica's time, for the share in which it works
CALM = 1.25
"""Something gives way only to what helps so many times as much: a load is not free, and what is
asked for varies by chance."""


@dataclass(frozen=True)
class Report:
    """What a replica tells of itself.

    Attributes:
        places: Models that it can have in memory.
        held: Those that are there, or that requests are loading; the longest unused first.
        loading: What it loads ahead of demand at the moment, which takes one of the places.
        asked: How often each model was asked for since the last report.
        busy: Share of the time since then in which it worked, 0-1.
        refused: What it cannot load at the moment.
    """

    places: int
    held: tuple[str, ...] = ()
    loading: str | None = None
    asked: Mapping[str, int] = field(default_factory=dict)
    busy: float = 0.0
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Advice:
    """What a replica should do.

    Attributes:
        load: What to load now.
        spare: What it holds and more replicas hold than need to, the least useful first.
    """

    load: str | None = None
    spare: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Heard:
    at_s: float
    report: Report
    busy: float


class Placement:
    """The models of one deployment; the same rule as in the simulator's `Fleet`.

    Args:
        now_s: The time at which it begins.
    """

    def __init__(self, now_s: float) -> None:
        self._popularity: Popularity[str] = Popularity(now_s)
        self._replicas: dict[str, _Heard] = {}

    def advise(self, replica: str, report: Report, now_s: float) -> Advice:
        """Take a replica's report; what it should load now, and what it may give up."""
        self._take(replica, report, now_s)
        plan = self._plan(now_s)
        spare = plan.spare(report.held)
        if report.loading is not None:
            return Advice(None, spare)
        lacking = set(missing(plan.wanted, plan.held, plan.coming)) - set(report.held)
        load = max(lacking - report.refused, key=plan.gain, default=None)
        if load is None:
            return Advice(None, spare)
        held = report.held
        if len(held) >= report.places:
            if not spare or plan.gain(load) <= CALM * plan.loss(spare[0]):
                return Advice(None, spare)
            held = tuple(name for name in held if name != spare[0])
        # Others are advised before it reports again.
        told = replace(report, held=held, loading=load)
        self._replicas[replica] = replace(self._replicas[replica], report=told)
        return Advice(load, spare)

    def kept(self, now_s: float) -> tuple[KeptModel, ...]:
        """Every model that is asked for or held, the most popular first, in words."""
        self._forget(now_s)
        plan = self._plan(now_s)
        return tuple(
            _told(name, plan)
            for name in sorted({*plan.shares, *plan.held, *plan.coming}, key=plan.order)
        )

    def _take(self, replica: str, report: Report, now_s: float) -> None:
        self._forget(now_s)
        for name, times in report.asked.items():
            self._popularity.note(name, times)
        before, busy = self._replicas.get(replica), report.busy
        if before is not None:
            fresh = 1 - math.exp((before.at_s - now_s) / AVERAGED_S)
            busy = before.busy + fresh * (report.busy - before.busy)
        self._replicas[replica] = _Heard(now_s, report, busy)

    def _forget(self, now_s: float) -> None:
        self._replicas = {
            name: heard for name, heard in self._replicas.items() if heard.at_s > now_s - QUIET_S
        }

    def _plan(self, now_s: float) -> "_Plan":
        heard = self._replicas.values()
        shares = self._popularity.shares(now_s)
        count, places = len(heard), max((one.report.places for one in heard), default=0)
        busy = CROWDING * sum(one.busy for one in heard) / max(count, 1)
        return _Plan(
            shares=shares,
            wanted=copies(shares, count, places, busy),
            held=Counter(name for one in heard for name in one.report.held),
            coming=Counter(one.report.loading for one in heard if one.report.loading is not None),
            busy=min(max(busy, MIN_BUSY), 1 - MIN_BUSY),
        )


@dataclass(frozen=True)
class _Plan:
    """How it is and how it should be; see `copies` for what one copy more or less changes."""

    shares: Mapping[str, float]
    wanted: Mapping[str, int]
    held: Mapping[str, int]
    coming: Mapping[str, int]
    busy: float

    def gain(self, name: str) -> float:
        """Share of the requests that a further copy helps."""
        return self._worth(name, self.held.get(name, 0) + self.coming.get(name, 0))

    def loss(self, name: str) -> float:
        """Share of the requests that the last copy helps."""
        return self._worth(name, self.held.get(name, 0) + self.coming.get(name, 0) - 1)

    def _worth(self, name: str, others: int) -> float:
        return self.shares.get(name, 0.0) * self.busy ** max(others, 0)

    def spare(self, held: tuple[str, ...]) -> tuple[str, ...]:
        """Of some, those that are held more often than wanted, the least useful first."""
        surplus = [name for name in held if self.held[name] > self.wanted.get(name, 0)]
        return tuple(sorted(surplus, key=self.loss))

    def order(self, name: str) -> tuple[float, str]:
        """The most popular first."""
        return -self.shares.get(name, 0.0), name


def _told(name: str, plan: _Plan) -> KeptModel:
    wanted, held, loading = (seen.get(name, 0) for seen in (plan.wanted, plan.held, plan.coming))
    share = plan.shares.get(name, 0.0)
    coming = f", {loading} loading" if loading else ""
    return KeptModel(
        name=name,
        share=round(share, 3),
        wanted=wanted,
        held=held,
        loading=loading,
        reason=f"{wanted} {'copy' if wanted == 1 else 'copies'} wanted, asked for by {share:.0%} "
        f"of the requests lately; {held} held{coming}",
    )
