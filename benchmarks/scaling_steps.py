"""A load that steps up and down, and the times of a fleet that draws pictures, scaled to minutes."""

from collections.abc import Mapping

import numpy as np

from models.scaling.simulate import SLO_FACTOR, SLO_S
from models.scaling.trace import Floats, Trace

SCALE = 10.0
PARTS = ((10.0, 0.1), (50.0, 4.0), (30.0, 0.0))  # seconds, requests per second
MEDIAN_S, SPREAD = 10.0 / SCALE, 0.35  # of the work, log-normal
MAX_REPLICAS = 8
PUSH_S = 10.0 / SCALE  # at this interval Serve pushes its metrics
ROUTER_S = 0.5 / SCALE  # Serve's router looks again for a free replica at least so often
SERVE: Mapping[str, float] = {
    "look_back_period_s": 30.0 / SCALE,
    "upscale_delay_s": 30.0 / SCALE,
    "downscale_delay_s": 600.0 / SCALE,
    "target_ongoing_requests": 2,  # Serve's own
}
OURS = {"headroom": 0.5, "slack": 0.25, "hold_s": 120.0 / SCALE, "drain_s": 60.0 / SCALE}
WINDOW_S, KEPT = 100.0 / SCALE, 0.95


def span_s() -> float:
    """Length of the trace."""
    return sum(seconds for seconds, _ in PARTS)


def draw(rng: np.random.Generator) -> Trace:
    """Poisson arrivals at the rates of `PARTS`, and one at the end: a simulation ends with the last."""
    arrivals, start_s = [], 0.0
    for seconds, rate in PARTS:
        count = rng.poisson(rate * seconds)
        arrivals.append(start_s + np.sort(rng.uniform(0, seconds, count)))
        start_s += seconds
    arrival_s = np.concatenate([*arrivals, [start_s]])
    count = len(arrival_s)
    return Trace(
        arrival_s,
        rng.lognormal(np.log(MEDIAN_S), SPREAD, count),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
    )


def missed(trace: Trace, latency_s: Floats) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Requests that took more than twice their work and the scaled allowance."""
    return latency_s > SLO_FACTOR * trace.service_s + SLO_S / SCALE


def until_served(trace: Trace, latency_s: Floats) -> float | None:
    """Seconds from the step up until 95 % of those who come next, for a while, are in time.

    `None` where that is never so before the step down.
    """
    step_s, late = PARTS[0][0], missed(trace, latency_s)
    ends_s = step_s + PARTS[1][0] - WINDOW_S
    for at_s in np.arange(step_s, ends_s, 0.5):
        inside = (trace.arrival_s >= at_s) & (trace.arrival_s < at_s + WINDOW_S)
        if inside.any() and late[inside].mean() <= 1 - KEPT:
            return float(at_s - step_s)
    return None
