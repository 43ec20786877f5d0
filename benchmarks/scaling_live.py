"""Our policy and Serve's own, live on seeded traces with a step up and down, and simulated.

`orrery serve` runs with a capability that sleeps. Times are a tenth of those of a fleet that draws
pictures: the work of a request, Serve's delays, the intervals at which its metrics are pushed and its
router looks for a free replica, and the promise (latency at most twice the work and 10 s); start-up is
what this machine takes. Requests arrive on their own clock. The same trace is then simulated with the
start-up, hand-over and stopping times that were measured in that run; an answer's way back is not
simulated, and `p95_return_s` says how much a busy machine made of it. What happens is told while it
does; the last line holds all figures, the median of several seeds where `--seeds` asks for them.
Run: `python -m benchmarks.scaling_live [--seeds 3] [--policy ours]`.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.serve.config import AutoscalingConfig

from benchmarks.machine import report
from benchmarks.scaling_run import Live, run_live
from benchmarks.scaling_service import PORTS, tell
from benchmarks.scaling_steps import (
    MAX_REPLICAS,
    OURS,
    PUSH_S,
    SERVE,
    draw,
    missed,
    span_s,
    until_served,
)
from deployments import autoscaling, outstanding
from deployments.serve_default import ServeDefault
from models.scaling.forecast import Rise
from models.scaling.loads import LoadTimes
from models.scaling.policies import InHand
from models.scaling.simulate import Policy, World, simulate
from models.scaling.snapshot import Terms
from models.scaling.trace import Floats, Trace

# Who sends requests tells the ledger once a second, and the policy asks it before it decides.
TOLD_S = outstanding.PERIOD_S / 2 + autoscaling.ASKED_S


@dataclass(frozen=True)
class Seen:
    """One policy on the trace, live or simulated.

    Attributes:
        latency_s: Of each request.
        replica_s: Of all replicas, from asking to the end of the trace.
        targets: Numbers of replicas that were asked for, one after the other.
    """

    latency_s: Floats
    replica_s: float
    targets: tuple[int, ...]

    def figures(self, trace: Trace, name: str) -> dict[str, Any]:
        """What is reported of it."""
        wait_s = self.latency_s - trace.service_s
        return {
            f"{name}_s_from_step_to_slo": until_served(trace, self.latency_s),
            f"{name}_p95_wait_s": round(float(np.percentile(wait_s, 95)), 2),
            f"{name}_slo": round(1 - float(np.mean(missed(trace, self.latency_s))), 3),
            f"{name}_replica_s": round(self.replica_s),
            f"{name}_changes": len(self.targets) - 1,
            f"{name}_most_replicas": max(self.targets),
            f"{name}_replicas_at_end": self.targets[-1],
        }


def main() -> None:
    """Run both live, one after the other, simulate both, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="traces")
    parser.add_argument("--policy", choices=tuple(PORTS), action="append", help="both if absent")
    options = parser.parse_args()
    started_s = time.monotonic()
    found: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        trace = draw(np.random.default_rng(seed))
        found.append({"n": len(trace)})
        for name in options.policy or PORTS:
            live = asyncio.run(run_live(trace, name))
            _tell_changes(live)
            figures = compare(trace, name, live)
            tell(f"seed {seed}, {name}: {json.dumps(figures)}")
            found[-1] |= figures
    middle = {key: _median([one[key] for one in found]) for key in found[0]}
    report({**middle, "seeds": options.seeds, "seconds": round(time.monotonic() - started_s, 1)})


def _tell_changes(live: Live) -> None:
    for at_s, target, reason in live.changes:
        tell(f"  {at_s - live.start_s:.1f} s: {target}, since {reason}")
    fleet = (f"{s.at_s - live.start_s:.1f} s {s.running}/{s.asked}/{s.alive}" for s in live.fleet)
    tell(f"  replicas that run, were asked for, exist: {', '.join(fleet)}")


def compare(trace: Trace, name: str, live: Live) -> dict[str, Any]:
    """A run and its simulation, side by side."""
    seen = Seen(live.latency_s, live.replica_s, _without_repeats([s.asked for s in live.fleet]))
    simulated = replay(trace, name, live)
    prefix = "" if name == "ours" else f"{name}_"
    found = seen.figures(trace, name) | simulated.figures(trace, f"{name}_simulated")
    waits = found[f"{name}_p95_wait_s"], found[f"{name}_simulated_p95_wait_s"]
    found |= {
        f"{name}_startup_s": round(_mean(live.startups_s), 2),
        f"{name}_stop_s": round(_mean(live.stops_s), 2),
        f"{name}_handover_s": round(live.handover_s, 3),
        f"{name}_p95_return_s": round(float(np.percentile(live.return_s, 95)), 3),
        f"{prefix}live_p95_wait_over_simulated": round(waits[0] / waits[1], 3),
        f"{prefix}live_replica_seconds_over_simulated": round(
            seen.replica_s / simulated.replica_s, 3
        ),
    }
    if name == "ours":
        found["ours_explained"] = live.explained
    return found


def replay(trace: Trace, name: str, live: Live) -> Seen:
    """The same trace, terms and measured times, simulated."""
    look_back_s = SERVE["look_back_period_s"]
    policy: Policy = InHand(Terms(1, MAX_REPLICAS, **OURS), Rise(look_back_s))  # type: ignore[arg-type]
    if name == "serve":
        policy = ServeDefault(AutoscalingConfig(min_replicas=1, max_replicas=MAX_REPLICAS, **SERVE))
    nothing = LoadTimes((0.0,), (0.0,), (0.0,))
    world = World(
        nothing,
        startup_s=_mean(live.startups_s),
        startups_s=tuple(live.startups_s),
        max_replicas=MAX_REPLICAS,
        tick_s=autoscaling.PERIOD_S if name == "ours" else PUSH_S,
        look_back_s=look_back_s,
        handover_s=live.handover_s,
        stop_s=_mean(live.stops_s),
        warm=True,
        told_s=TOLD_S if name == "ours" else 0.0,
    )
    outcome = simulate(trace, policy, world)
    after_s = span_s() - outcome.span_s  # of the last request
    replica_s = 3600 * outcome.gpu_hours + outcome.timeline[-1][1] * after_s
    targets = _without_repeats([target for _, target, _ in outcome.timeline])
    return Seen(outcome.latency_s, replica_s, targets)


def _median(values: list[float | None]) -> float | None:
    """`None` where one is: what was not reached has no middle."""
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 3) if len(known) == len(values) else None


def _mean(seconds: list[float]) -> float:
    return float(np.mean(seconds)) if seconds else 0.0


def _without_repeats(counts: list[int]) -> tuple[int, ...]:
    return tuple(n for place, n in enumerate(counts) if place == 0 or n != counts[place - 1])


if __name__ == "__main__":
    main()
