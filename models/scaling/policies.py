"""Policies that the simulator can run."""

import math
from dataclasses import dataclass, field, replace

from models.scaling.decide import decide
from models.scaling.forecast import DayProfile, Rise
from models.scaling.simulate import LOAD_S, RECENT_S, Observation
from models.scaling.snapshot import Demand, Need, Snapshot, Terms, Waiting, demand_in_hand

NAME = "simulated"
REQUEST_S = 20.0  # of work of one, which makes the load of a minute jump


@dataclass(frozen=True)
class Fixed:
    """Always the same number of replicas."""

    replicas: int

    def __call__(self, seen: Observation) -> int:
        """The number."""
        return self.replicas


@dataclass
class Deciding:
    """`decide`, given what a cluster would have given it.

    Attributes:
        terms: Bounds and headroom.
        trust: How much of the usual load of the coming minutes counts as expected, 0-1; the load of
            the last 90 s always does.
        trend: How much of a rise of the last minutes is expected to go on until a replica asked for
            now could work, 0-1.
    """

    terms: Terms
    trust: float = 0.5
    trend: float = 0.0
    _profile: DayProfile = field(default_factory=DayProfile)
    _past: dict[str, tuple[Need, ...]] = field(default_factory=dict)

    def __call__(self, seen: Observation) -> int:
        """The target of the decision."""
        self._profile.learn(seen.now_s, seen.load)
        usual = self._profile.expect(seen.now_s + seen.cold_start_s)
        demand = Demand(
            terms=self.terms,
            replicas=seen.replicas,
            load=seen.load,
            forecast=max(
                seen.recent + self.trend * rise(seen),
                0.0 if usual is None else self.trust * usual,
            ),
            backlog_s=seen.backlog_s,
            cold_start_s=seen.cold_start_s,
        )
        decision = decide(Snapshot(seen.now_s, {NAME: demand}, past=self._past))
        self._past = decision.past
        return decision.targets[NAME]


def rise(seen: Observation) -> float:
    """How much more load there will be when a replica asked for now works, as it rose lately.

    A difference that chance alone would make half of the time is not counted.
    """
    earlier_s = LOAD_S - RECENT_S
    earlier = max(seen.load * LOAD_S - seen.recent * RECENT_S, 0.0) / earlier_s
    chance = math.sqrt(REQUEST_S * (seen.recent / RECENT_S + earlier / earlier_s))
    rose = seen.recent - earlier - chance / 2
    return max(rose, 0.0) / (LOAD_S / 2) * (seen.cold_start_s + RECENT_S / 2)


def waiting_in(seen: Observation) -> tuple[Waiting, ...]:
    """What waits, as one class."""
    if not seen.queued:
        return ()
    return (Waiting(NAME, seen.queued, seen.backlog_s / seen.queued),)


@dataclass
class InHand:
    """`decide`, given what Serve's controller knows: work in hand, averaged, and what waits now.

    What arrives is not known there: beyond what the replicas can do it shows as growing backlog.

    Attributes:
        terms: Bounds and headroom.
        rise: Memory of the backlog.
    """

    terms: Terms
    rise: Rise = field(default_factory=Rise)
    _past: dict[str, tuple[Need, ...]] = field(default_factory=dict)

    def __call__(self, seen: Observation) -> int:
        """The target of the decision."""
        demand = demand_in_hand(
            self.terms,
            replicas=seen.replicas,
            working=seen.working,
            ongoing=seen.ongoing,
            service_s=seen.service_s,
            cold_start_s=seen.cold_start_s,
            waiting=waiting_in(seen),
        )
        demand = replace(demand, arriving=self.rise.arriving(seen.now_s, demand))
        decision = decide(Snapshot(seen.now_s, {NAME: demand}, past=self._past))
        self._past = decision.past
        return decision.targets[NAME]
