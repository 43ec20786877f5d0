"""`orrery simulate`: what a policy would have cost and achieved on a trace."""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from ray.serve.config import AutoscalingConfig

from deployments.serve_default import ServeDefault
from graphs.commands.failure import Failure
from graphs.commands.terminal import Subcommands, say
from models.scaling.chart import draw
from models.scaling.loads import LoadTimes, read_percentiles
from models.scaling.policies import Deciding, Fixed
from models.scaling.simulate import Outcome, Policy, World, simulate
from models.scaling.snapshot import Terms
from models.scaling.trace import Trace, generate, read_trace

REQUESTS_FILE = "lora_request_trace_2024-11.csv"
LATENCIES_FILE = "latency_percentiles.json"
START = datetime(2024, 11, 19, tzinfo=UTC)  # before it the file is thin
HEADROOM, SLACK, HOLD_S, DRAIN_S, SPARE_S, TREND = 0.5, 0.4, 30.0, 40.0, 2400.0, 0.5
CHANGES_PER_HOUR = 5.8


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("simulate", help="replay a trace against scaling policies")
    parser.add_argument(
        "--trace", type=Path, help=f"folder with GenTD26's {REQUESTS_FILE} and {LATENCIES_FILE}"
    )
    parser.add_argument("--requests", type=int, default=20_000, help="to generate without --trace")
    parser.add_argument("--hours", type=float, default=48.0, help="over which they are spread")
    parser.add_argument("--load", type=int, default=1, help="the trace this many times over")
    parser.add_argument("--startup-s", type=float, default=60.0, help="until a replica works")
    parser.add_argument("--min-replicas", type=int, default=1, help="0: all may go while idle")
    parser.add_argument("--max-replicas", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chart", type=Path, help="SVG of the replicas over time")
    parser.add_argument(
        "--policy",
        action="append",
        help="decide[:HEADROOM], serve[:TARGET], fixed:REPLICAS; may be repeated",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Simulate each policy and print one line of JSON for each."""
    _check(options)
    rng = np.random.default_rng(options.seed)
    trace, times = _read(options, rng)
    lines: dict[str, list[tuple[float, float]]] = {}
    for text in options.policy or ["decide", "serve:2", "serve:0.5"]:
        policy, ahead = parse_policy(text, options.max_replicas, options.min_replicas)
        world = World(
            times,
            startup_s=options.startup_s,
            min_replicas=options.min_replicas,
            max_replicas=options.max_replicas,
            loads_ahead=ahead,
        )
        started = time.perf_counter()
        outcome = simulate(trace, policy, world)
        elapsed_s = time.perf_counter() - started
        busy = [(at_s, float(count)) for at_s, _, count in outcome.timeline]
        lines.setdefault("in progress", busy)
        lines[text] = [(at_s, float(target)) for at_s, target, _ in outcome.timeline]
        say(json.dumps({"policy": text, **figures(outcome), "seconds": round(elapsed_s, 2)}))
    if options.chart is not None:
        options.chart.write_text(draw(lines, "Replicas over time"))
        say(f"drawn: {options.chart}")
    return 0


def _check(options: argparse.Namespace) -> None:
    for name in ("requests", "hours", "load", "max_replicas"):
        if getattr(options, name) <= 0:
            raise Failure(f"--{name.replace('_', '-')} must be above 0")
    if not 0 <= options.min_replicas <= options.max_replicas:
        raise Failure("--min-replicas must be between 0 and --max-replicas")
    if options.chart is not None and not options.chart.absolute().parent.is_dir():
        raise Failure(f"there is no folder {options.chart.absolute().parent} for the chart")


def _read(options: argparse.Namespace, rng: np.random.Generator) -> tuple[Trace, LoadTimes]:
    if options.trace is None:
        trace = generate(options.requests, options.hours * 3600, rng)
        return trace.times(options.load, rng), LoadTimes.draw(rng)
    return read_folder(options.trace, options.load, rng)


def read_folder(folder: Path, load: int, rng: np.random.Generator) -> tuple[Trace, LoadTimes]:
    """A GenTD26 trace and its loading times.

    Raises:
        Failure: The folder does not hold them.
    """
    try:
        trace = read_trace(folder / REQUESTS_FILE, START)
        percentiles = read_percentiles(folder / LATENCIES_FILE)
    except (OSError, KeyError, ValueError) as error:
        needed = f"{REQUESTS_FILE} and {LATENCIES_FILE}"
        raise Failure(f"{folder} must hold {needed}: {error}") from error
    return trace.times(load, rng), LoadTimes.draw(rng, *percentiles)


def parse_policy(text: str, max_replicas: int, min_replicas: int = 1) -> tuple[Policy, bool]:
    """The policy that a text names, and whether it loads popular models ahead.

    Raises:
        Failure: It names none.
    """
    kind, _, value = text.partition(":")
    bounds = {"max_replicas": max_replicas, "min_replicas": min_replicas}
    make: Mapping[str, Callable[[], tuple[Policy, bool]]] = {
        "decide": lambda: (deciding(float(value or HEADROOM), **bounds), True),
        "serve": lambda: (serve_default(float(value or 2), **bounds), False),
        "fixed": lambda: (Fixed(int(value)), False),
    }
    try:
        return make[kind]()
    except (KeyError, ValueError) as error:
        expected = "decide[:HEADROOM], serve[:TARGET] or fixed:REPLICAS"
        raise Failure(f"no such policy: {text!r}; expected {expected}") from error


def deciding(
    headroom: float,
    max_replicas: int,
    slack: float = SLACK,
    hold_s: float = HOLD_S,
    trend: float = TREND,
    drain_s: float = DRAIN_S,
    spare_s: float = SPARE_S,
    min_replicas: int = 1,
) -> Deciding:
    """Our policy."""
    terms = Terms(
        min_replicas,
        max_replicas,
        headroom=headroom,
        slack=slack,
        hold_s=hold_s,
        drain_s=drain_s,
        spare_s=spare_s,
        changes_per_hour=CHANGES_PER_HOUR,
    )
    return Deciding(terms, trust=0.0, trend=trend)


def serve_default(
    target: float,
    max_replicas: int,
    up_s: float = 30.0,
    down_s: float = 600.0,
    min_replicas: int = 1,
) -> ServeDefault:
    """Serve's policy with a target of ongoing requests per replica."""
    return ServeDefault(
        AutoscalingConfig(
            min_replicas=min_replicas,
            max_replicas=max_replicas,
            target_ongoing_requests=target,
            upscale_delay_s=up_s,
            downscale_delay_s=down_s,
        )
    )


def figures(outcome: Outcome) -> dict[str, float | dict[str, int]]:
    """What is reported of a simulation."""
    return {
        "slo_attained": round(1 - outcome.missed, 4),
        "wait_p50_s": round(outcome.wait_s(50), 1),
        "wait_p95_s": round(outcome.wait_s(95), 1),
        "wait_p99_s": round(outcome.wait_s(99), 1),
        "gpu_hours": round(outcome.gpu_hours, 1),
        "changes_per_hour": round(outcome.changes_per_hour, 2),
        "swaps": outcome.swaps,
    }
