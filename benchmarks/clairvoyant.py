"""What foresight would be worth: a policy that is told all arrivals before they come.

It has replicas ready for the largest load of the coming minutes, shrinks at once where the load
will stay low, and is tuned on the very days that are reported: no policy that sees only the past
should be expected to need fewer GPU hours for the same answers in time.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from models.scaling.simulate import Observation
from models.scaling.trace import Floats, Trace

STEP_S = 10.0
BEHIND, BEYOND = 12, 12  # steps: of a load that has just passed, and that is served on the way
STAYS = 24  # steps that a load has to stay low
MEMORY = 60  # steps over which loads of models are compared with work
FEWEST, MOST = 1.0, 3.0


def future_load(trace: Trace) -> Floats:
    """Seconds of work that arrive per second, as means of a minute at steps of 10 s."""
    steps = int(trace.arrival_s[-1] // STEP_S) + 200
    begun_s = np.bincount((trace.arrival_s // STEP_S).astype(int), trace.service_s, steps)
    return np.convolve(begun_s / STEP_S, np.full(7, 1 / 7), mode="same")


@dataclass
class Clairvoyant:
    """Decides by what will come.

    Attributes:
        load: Of `future_load`.
        headroom: In units of the square root of the load.
        slack: Added to what is needed; the band without change is twice it.
    """

    load: Floats
    headroom: float
    slack: float = 0.25

    def __post_init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=MEMORY)

    def __call__(self, seen: Observation) -> int:
        """Replicas to have."""
        now = int(seen.now_s // STEP_S)
        self._seen.append((seen.load, float(self.load[max(now - 30, 0) : now + 1].mean())))
        ready = now + int(seen.cold_start_s // STEP_S)
        needed = self._needed(self.load[now : ready + BEYOND])
        stays = self._needed(self.load[max(now - BEHIND, 0) : ready + STAYS])
        if needed > seen.replicas:
            return math.ceil(needed * (1 + self.slack))
        if stays * (1 + self.slack) < seen.replicas * (1 - self.slack):
            return math.ceil(stays * (1 + self.slack))
        return seen.replicas

    def _needed(self, load: Floats) -> float:
        """With the loads of models that came on top of work of late."""
        begun, worked = (sum(column) for column in zip(*self._seen, strict=True))
        on_top = min(max(begun / worked, FEWEST), MOST) if worked > 0 else FEWEST
        most = on_top * float(load.max(initial=0.0))
        return most + self.headroom * math.sqrt(most)
