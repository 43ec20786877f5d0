"""GPU hours and missed promises beside Serve's own policy, on a production trace.

Both policies are tuned on the first half of the trace and compared on the second, with the same
routing, at three loads and two start-up times. A request goes where its base model is; with `--waits` it
waits for those who have it where that is expected to take less long than a load (Serve's policy is then
also tried with requests that do not wait, and gets the better). Serve's policy is tuned by a grid over its target,
its delays and whether the last replica may go, to the fewest GPU hours that keep 93 % of the promises
(latency at most twice the request's own work and 10 s), or to the most promises where that is out of
reach; and once more among those that change the fleet as seldom as ours (`steady`).

Ours keeps a budget of changes of the fleet by itself, lets the last replica go, and is tuned over its
headroom and seven shapes (slack, holding time, trust in a rise, time in which what waits is worked off,
what a change has to spare): to where days like these most surely bring both no more misses than Serve's
and 30 % fewer GPU hours, or, where both are out of reach, to the fewest GPU hours that miss no more, with
a margin for how much days differ (compared: GPU hours); and to the fewest misses that cost no more
(compared: misses). The same is done beside the steady one, and beside Serve's policy as it is without
tuning (target 2, never below one replica), whose share of promises is low.
What is tried is a sample of one: what it says is smoothed over the headroom. Beside it stands what a
policy that knows all arrivals needs for Serve's share of promises, with the same routing: a bound.
Run: `python -m benchmarks.scaling PATH [--quick] [--load LOAD] [--startup-s SECONDS]`.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.clairvoyant import Clairvoyant, future_load
from benchmarks.machine import report
from graphs.commands.simulate import deciding, read_folder, serve_default
from models.scaling.loads import LoadTimes
from models.scaling.simulate import Outcome, Policy, World, simulate
from models.scaling.trace import DAY_S, Trace, generate

HALF_S = 6 * DAY_S
WANTED = 0.93
CELLS = tuple(product((2, 8, 24), (60.0, 180.0)))
TARGETS = (1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
DELAYS = (
    (30.0, 600.0),
    (30.0, 300.0),
    (10.0, 300.0),
    (10.0, 120.0),
    (30.0, 1200.0),
    (30.0, 2400.0),
)
FEWEST = (0, 1)  # replicas
STEADY = 6.0  # changes an hour, at most
HEADROOMS = (-1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
STEP = 0.05  # of the headroom, between them
SHAPES = (  # slack, holding time, trend, time to work off what waits, replica-seconds to spare
    (0.5, 30.0, 0.0, 40.0, 2400.0),
    (0.5, 30.0, 0.0, 40.0, 9600.0),
    (0.3, 30.0, 0.0, 40.0, 2400.0),
    (0.3, 30.0, 0.0, 120.0, 2400.0),
    (0.3, 30.0, 0.0, 600.0, 2400.0),
    (0.5, 300.0, 0.5, 40.0, 2400.0),
    (0.5, 300.0, 0.5, 40.0, 9600.0),
)
FEWER = 0.7  # of Serve's hours: the goal
CHANGES = 5.7  # an hour: the budget, and what it lets through
EQUAL = 0.95  # of Serve's hours: what costs no more, since days differ in this too
SURE = 1.28  # standard deviations: nine of ten times other days miss no more than Serve's either
RESAMPLED = 2000
TINY = 1e-6
WORST = {
    "gpu_hours_over_serve": "gpu_hours_over_serve",
    "slo_misses_over_serve": "slo_misses_over_serve",
    "p95_wait_s": "p95_wait_s_beside_serve",
}
"""What is reported of all cells, by the name it has in one."""
Shape: TypeAlias = tuple[float, float, float, float, float]
AllTried: TypeAlias = Mapping[Shape, Mapping[float, Outcome]]
FORESEEN = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)  # headroom of who knows what comes


@dataclass(frozen=True)
class Cell:
    """One load and one start-up time."""

    load: int
    startup_s: float
    trace: Trace
    times: LoadTimes
    waits: bool = False

    @property
    def max_replicas(self) -> int:
        """As many as never bind but in the worst hour."""
        return max(64, 160 * self.load // 24)

    def first(self, tried: "Serve | Ours") -> Outcome:
        """Outcome on the half for tuning."""
        return self._run(self.trace.between(0, HALF_S), tried)

    def second(self, tuned: "Serve | Ours") -> Outcome:
        """Outcome on the half for the report."""
        return self._run(self._second, tuned)

    def foreseen(self, headroom: float) -> Outcome:
        """Outcome on the half for the report of a policy that knows it."""
        policy = Clairvoyant(future_load(self._second), headroom)
        return simulate(self._second, policy, replace(self._world, loads_ahead=True))

    @property
    def _second(self) -> Trace:
        return self.trace.between(HALF_S, 2 * HALF_S + DAY_S)

    @property
    def _world(self) -> World:
        return World(
            self.times,
            startup_s=self.startup_s,
            min_replicas=0,
            max_replicas=self.max_replicas,
            waits=self.waits,
        )

    def _run(self, trace: Trace, tried: "Serve | Ours") -> Outcome:
        world = replace(self._world, **tried.around)
        return simulate(trace, tried.policy(self), world)


@dataclass(frozen=True)
class Serve:
    """Arguments of Serve's policy, and whether requests wait for their model under it."""

    target: float
    delays: tuple[float, float]
    fewest: int
    waits: bool

    @property
    def around(self) -> dict[str, Any]:
        """What is special in its world."""
        return {"min_replicas": self.fewest, "waits": self.waits}

    def policy(self, cell: Cell) -> Policy:
        """The policy."""
        return serve_default(self.target, cell.max_replicas, *self.delays, self.fewest)


@dataclass(frozen=True)
class Ours:
    """Arguments of ours.

    Attributes:
        headroom: In units of the square root of the load.
        slack: Part of the need that is added when it changes.
        hold_s: Shrinks only to the largest need of this long.
        trend: How far a rise is trusted to go on.
        drain_s: Time in which what waits is worked off.
        spare_s: Replica-seconds that a change has to spare.
    """

    headroom: float
    slack: float
    hold_s: float
    trend: float
    drain_s: float
    spare_s: float

    @property
    def around(self) -> dict[str, Any]:
        """What is special in its world."""
        return {"loads_ahead": True}

    @property
    def arguments(self) -> dict[str, float]:
        """What the policy is made with, by name."""
        return {name: round(value, 2) for name, value in asdict(self).items()}

    def policy(self, cell: Cell) -> Policy:
        """The policy."""
        shape = (self.slack, self.hold_s, self.trend, self.drain_s, self.spare_s)
        return deciding(self.headroom, cell.max_replicas, *shape, min_replicas=0)


@dataclass(frozen=True)
class Likely:
    """What the first half says of ours with some arguments, smoothed.

    Attributes:
        ours: The arguments.
        missed: Share of promises.
        gpu_hours: Of all replicas.
        changes_per_hour: Of the fleet.
        spread: Of the shape; see `_spread`.
    """

    ours: Ours
    missed: float
    gpu_hours: float
    changes_per_hour: float
    spread: tuple[float, float]

    def margin(self, serve: Outcome) -> float:
        """By how many standard deviations fewer promises are missed than under Serve's policy."""
        return math.log(serve.missed / max(self.missed, TINY)) / self.spread[0]


def main() -> None:
    """Compare in every cell and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="folder with the trace and its latencies")
    parser.add_argument("--quick", action="store_true", help="load 8 and start-up 60 s alone")
    parser.add_argument("--load", type=int, help="this load alone")
    parser.add_argument("--startup-s", type=float, help="this start-up time alone")
    parser.add_argument("--waits", action="store_true", help="requests wait for their model")
    options = parser.parse_args()
    started = time.monotonic()
    found: dict[str, float] = {}
    for load, startup_s in ((8, 60.0),) if options.quick else CELLS:
        if load != (options.load or load) or startup_s != (options.startup_s or startup_s):
            continue
        rng = np.random.default_rng(0)
        trace, times = read_folder(options.path, load, rng)
        cell = compare(Cell(load, startup_s, trace, times, options.waits))
        found |= {f"load_{load}_startup_{startup_s:.0f}_{key}": v for key, v in cell.items()}
        print(load, startup_s, cell, file=sys.stderr, flush=True)
    worst = {
        key: round(max(v for name, v in found.items() if name.endswith(f"0_{of_cell}")), 3)
        for key, of_cell in WORST.items()
    }
    speed = {} if options.load or options.startup_s else measure_speed()
    seconds = {"n": len(found), "seconds": round(time.monotonic() - started, 1)}
    report({**worst, **speed, **found, **seconds})


def compare(cell: Cell) -> dict[str, float]:
    """Ours beside Serve's, tuned on one half, measured on the other."""
    grid = _try_serve(cell)
    tuned, steady = _tune_serve(grid), _tune_serve(grid, STEADY)
    rivals = {"serve": tuned, "steady": steady, "default": Serve(2.0, DELAYS[0], 1, waits=False)}
    firsts = {name: cell.first(rival) for name, rival in rivals.items()}
    most = max(seen.gpu_hours for seen in firsts.values())
    tried = {shape: _try(cell, shape, firsts["serve"], most) for shape in SHAPES}
    found: dict[str, float] = {}
    for name, rival in rivals.items():
        found |= _beside(cell, name, cell.second(rival), *_tune_ours(cell, tried, firsts[name]))
    serve = cell.second(tuned)
    foreseen = [cell.foreseen(headroom) for headroom in FORESEEN]
    equal = [seen for seen in foreseen if seen.missed <= serve.missed] or foreseen[-1:]
    bound = min(equal, key=lambda seen: seen.gpu_hours)
    return {
        **found,
        "gpu_hours_bound_over_serve": round(bound.gpu_hours / serve.gpu_hours, 3),
        "bound_changes_per_hour": round(bound.changes_per_hour, 2),
        **_arguments("serve", tuned),
        **_arguments("steady", steady),
    }


def _arguments(name: str, rival: Serve) -> dict[str, float]:
    return {
        f"{name}_target": rival.target,
        f"{name}_upscale_s": rival.delays[0],
        f"{name}_downscale_s": rival.delays[1],
        f"{name}_fewest": rival.fewest,
        f"{name}_waits": rival.waits,
    }


def _beside(cell: Cell, name: str, rival: Outcome, lean: Likely, ample: Likely) -> dict[str, float]:
    """What the two operating points cost and miss on the second half, over a rival's."""
    ours, richer = cell.second(lean.ours), cell.second(ample.ours)
    return {
        f"gpu_hours_over_{name}": round(ours.gpu_hours / rival.gpu_hours, 3),
        f"slo_beside_{name}": round(1 - ours.missed, 4),
        f"slo_{name}": round(1 - rival.missed, 4),
        f"slo_misses_over_{name}": round(richer.missed / rival.missed, 3),
        f"gpu_hours_of_richer_over_{name}": round(richer.gpu_hours / rival.gpu_hours, 3),
        f"p95_wait_s_beside_{name}": round(ours.wait_s(95), 1),
        f"p95_wait_s_{name}": round(rival.wait_s(95), 1),
        f"changes_per_hour_beside_{name}": round(ours.changes_per_hour, 2),
        f"changes_per_hour_of_richer_over_{name}": round(richer.changes_per_hour, 2),
        f"changes_per_hour_{name}": round(rival.changes_per_hour, 2),
        f"margin_beside_{name}": round(math.exp(-SURE * lean.spread[0]), 3),
        **{f"{key}_beside_{name}": value for key, value in lean.ours.arguments.items()},
        **{f"{key}_of_richer_over_{name}": value for key, value in ample.ours.arguments.items()},
    }


def _try_serve(cell: Cell) -> dict[Serve, Outcome]:
    waits = sorted({cell.waits, False})
    grid = (Serve(*terms) for terms in product(TARGETS, DELAYS, FEWEST, waits))
    return {serve: cell.first(serve) for serve in grid}


def _tune_serve(tried: Mapping[Serve, Outcome], most_changes: float = math.inf) -> Serve:
    allowed = [one for one, seen in tried.items() if seen.changes_per_hour <= most_changes]
    keeping = [serve for serve in allowed if 1 - tried[serve].missed >= WANTED]
    if keeping:
        return min(keeping, key=lambda serve: tried[serve].gpu_hours)
    return min(allowed, key=lambda serve: tried[serve].missed)


def _tune_ours(cell: Cell, all_tried: AllTried, reference: Outcome) -> tuple[Likely, Likely]:
    """The operating points at which GPU hours and misses are compared."""
    found: list[Likely] = []
    for shape, tried in all_tried.items():
        nearest = min(tried.values(), key=lambda seen: abs(seen.missed - reference.missed))
        spread = _spread(nearest, reference, cell.trace)
        found += _smooth(shape, tried, spread)
    fewest = min(one.changes_per_hour for one in found)
    steady = [one for one in found if one.changes_per_hour <= max(CHANGES, fewest)]

    def surety(one: Likely) -> float:
        """By how many standard deviations the nearer of both goals is reached."""
        hours = math.log(FEWER * reference.gpu_hours / one.gpu_hours) / one.spread[1]
        return min(one.margin(reference), hours)

    lean = max(steady, key=surety)
    if surety(lean) < 0:
        kept = [one for one in steady if one.margin(reference) >= SURE]
        lean = min(kept or steady, key=lambda one: one.gpu_hours)
    cheap = [one for one in steady if one.gpu_hours <= EQUAL * reference.gpu_hours]
    return lean, min(cheap or steady, key=lambda one: one.missed)


def _try(cell: Cell, shape: Shape, reference: Outcome, most: float) -> dict[float, Outcome]:
    """Outcomes by headroom, up to the first with more than the most GPU hours."""
    tried: dict[float, Outcome] = {}
    for headroom in HEADROOMS:
        seen = tried[headroom] = cell.first(Ours(headroom, *shape))
        hours, missed = seen.gpu_hours / reference.gpu_hours, seen.missed / reference.missed
        said = f"hours {hours:.3f} misses {missed:.3f} changes {seen.changes_per_hour:.2f}"
        print(f"  {shape} {headroom:5.2f}: {said}", file=sys.stderr, flush=True)
        if seen.gpu_hours > most and len(tried) > 2:
            break
    return tried


def _smooth(
    shape: Shape, tried: Mapping[float, Outcome], spread: tuple[float, float]
) -> Iterator[Likely]:
    """What the tried headrooms say of those between them: means of each and both neighbours."""
    headrooms = list(tried)[1:-1]
    seen = np.array([(o.missed, o.gpu_hours, o.changes_per_hour) for o in tried.values()])
    smoothed = [
        np.convolve(column, np.full(3, 1 / 3), mode="valid")
        for column in np.log(np.maximum(seen, TINY)).T
    ]
    for headroom in np.arange(headrooms[0], headrooms[-1] + STEP / 2, STEP):
        values = [float(np.exp(np.interp(headroom, headrooms, column))) for column in smoothed]
        yield Likely(Ours(float(headroom), *shape), *values, spread)


def _spread(ours: Outcome, serve: Outcome, trace: Trace) -> tuple[float, float]:
    """Standard deviations of the logarithms of our misses and GPU hours over Serve's.

    The days are drawn anew, each with what both missed and cost on it.
    """
    days = round(HALF_S / DAY_S)
    day = (trace.between(0, HALF_S).arrival_s // DAY_S).astype(int)
    late = [np.bincount(day, seen.late, days) for seen in (ours, serve)]
    cost = [
        np.bincount(
            np.minimum(at_s // DAY_S, days - 1).astype(int), [float(t[1]) for t in seen.timeline]
        )
        for seen in (ours, serve)
        for at_s in [np.array([t[0] for t in seen.timeline])]
    ]
    drawn = np.random.default_rng(0).integers(0, days, (RESAMPLED, days))
    misses, hours = (
        float(np.std(np.log(np.maximum(a[drawn].sum(axis=1) / b[drawn].sum(axis=1), TINY))))
        for a, b in (late, cost)
    )
    return max(misses, TINY), max(hours, TINY)


def measure_speed() -> dict[str, float]:
    """Requests simulated per second, for a million of them and about a thousand replicas."""
    rng = np.random.default_rng(0)
    trace = generate(1_000_000, 0.5 * DAY_S, rng)
    world = World(LoadTimes.draw(rng), max_replicas=2000, loads_ahead=True)
    started = time.perf_counter()
    outcome = simulate(trace, deciding(1.5, 2000), world)
    elapsed_s = time.perf_counter() - started
    return {
        "requests_per_s_simulated": round(len(trace) / elapsed_s),
        "replicas_simulated_at_once": max(point[1] for point in outcome.timeline),
    }


if __name__ == "__main__":
    main()
