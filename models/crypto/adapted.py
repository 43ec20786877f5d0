"""What the service would have answered during a back-test: intervals that follow their own record.

Every forecast is bent as `models.crypto.odds` bends those that are served, by states that have
learned only from truths that had arrived when it was made.
"""

from dataclasses import replace

import numpy as np

from models.crypto.candles import FloatArray, IntArray
from models.crypto.conformal import ConformalState, fresh, update
from models.crypto.odds import quantiles_at, warp_of
from models.crypto.quantiles import Quantiles
from models.crypto.shapes import GRID
from models.crypto.walked import Walked

PROMISED = (0.8, 0.95)
BOUNDS = tuple(
    (int(np.argmin(np.abs(GRID - (1 - p) / 2))), int(np.argmin(np.abs(GRID - (1 + p) / 2))))
    for p in PROMISED
)


def adapted(walked: Walked) -> Walked:
    """The same forecasts, calibrated in order of time.

    The truth of `h` steps is known to an origin that lies `h` bars later or more.
    """
    curves = np.empty_like(walked.curves)
    horizons = np.arange(1, walked.truth.shape[1] + 1)
    known = arrived(walked.rows, horizons)  # (m, H)
    states = [(fresh(PROMISED[0]), fresh(PROMISED[1])) for _ in horizons]
    seen = np.zeros(len(horizons), np.int64)
    for place, raw in enumerate(walked.curves):
        for step in np.flatnonzero(known[place] > seen):
            for origin in range(seen[step], known[place, step]):
                states[step] = _moved(
                    states[step], curves[origin, step], float(walked.truth[origin, step])
                )
            seen[step] = known[place, step]
        curves[place] = quantiles_at(Quantiles(GRID, raw), GRID, warp_of(states))
    return replace(walked, curves=curves)


def arrived(rows: IntArray, horizons: IntArray) -> IntArray:
    """How many of the first origins have their truth at each origin, `(m, H)`."""
    columns = [np.searchsorted(rows, rows - steps, "right") for steps in horizons]
    return np.stack(columns, axis=1)


def _moved(
    states: tuple[ConformalState, ConformalState], served: FloatArray, truth: float
) -> tuple[ConformalState, ConformalState]:
    inner, outer = (
        update(state, inside=bool(served[low] <= truth <= served[high]))
        for state, (low, high) in zip(states, BOUNDS, strict=True)
    )
    return inner, outer
