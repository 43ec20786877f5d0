"""What ordinary flows are like: their scales, the plane that they lie near, and some of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.fraud.surprise import SMALLEST_DEVIATION, standardised, strangeness

AXES = 20
MOST_REFERENCES = 1_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ordinary:
    """Ordinary flows, against which the distance of another one is measured.

    Attributes:
        mean: `(M,)`, of the numbers' logarithms.
        deviation: `(M,)`.
        axes: `(K, F)`, principal axes of the standardised flows.
        centre: `(F,)`, their mean.
        references: `(R, F)`, standardised flows among which the nearest is sought.
    """

    mean: Floats
    deviation: Floats
    axes: Floats
    centre: Floats
    references: Floats

    @classmethod
    def of(cls, rows: Floats, other: "Ordinary") -> "Ordinary":
        """Learn from rows, `(N, F)`; scales of numbers that are not known in any are another's."""
        numbers = len(other.mean)
        known = ~np.isnan(rows[:, :numbers]).all(0)
        logs = np.log1p(np.abs(rows[:, :numbers][:, known]))
        mean, deviation = other.mean.copy(), other.deviation.copy()
        mean[known] = np.nanmean(logs, axis=0)
        deviation[known] = np.maximum(np.nanstd(logs, axis=0), SMALLEST_DEVIATION)
        scaled = standardised(rows, mean, deviation)
        centre = scaled.mean(0)
        axes = np.linalg.svd(scaled - centre, full_matrices=False)[2][:AXES]
        chosen = np.linspace(0, len(rows) - 1, min(len(rows), MOST_REFERENCES)).astype(int)
        return cls(mean, deviation, axes, centre, scaled[chosen])

    def scaled(self, rows: Floats) -> Floats:
        """Rows on the scale of ordinary ones."""
        return standardised(rows, self.mean, self.deviation)

    def residual(self, scaled: Floats) -> Floats:
        """What the plane leaves of scaled rows, `(N, F)`."""
        middle = scaled - self.centre
        return np.asarray(middle - middle @ self.axes.T @ self.axes)

    @cached_property
    def spacing(self) -> Floats:
        """Distance of each reference to the nearest other one, `(R,)`."""
        squared = (self.references**2).sum(1)
        between = squared[:, None] + squared[None] - 2 * self.references @ self.references.T
        np.fill_diagonal(between, np.inf)
        return np.sqrt(self._squared(self.references, between.argmin(1)))

    def strangeness(self, scaled: Floats) -> Floats:
        """How far scaled rows are from the references, `(N,)`."""
        place, squared = self.nearest(scaled)
        return strangeness(np.sqrt(squared), self.spacing[place])

    def nearest(self, scaled: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
        """Nearest ordinary flow of each scaled row, and its squared distance: `(N,)` each."""
        squared = (scaled**2).sum(1)[:, None] - 2 * scaled @ self.references.T
        squared += (self.references**2).sum(1)[None]
        place = squared.argmin(1)
        # Differences again, since the expansion loses digits where flows are nearly equal.
        return place, self._squared(scaled, place)

    def _squared(self, scaled: Floats, place: npt.NDArray[np.intp]) -> Floats:
        return np.asarray(((scaled - self.references[place]) ** 2).sum(1))
