"""Network flows: known attacks by what they were, unknown ones by being unlike normal traffic.

Four detectors see different things. Boosted trees know the attacks of the past. An isolation
forest, the residual of a principal-component model and the distance to the nearest normal flow are
fitted on normal traffic alone. Each score becomes a tail probability against normal traffic that
the detectors did not see, and Fisher's weighted sum joins them: one loud detector is enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[np.generic]]

DETECTORS = ("trees", "forest", "residual", "neighbour")
VOICES = np.array([1.0, 0.2, 0.2, 2.0])
"""Weights in Fisher's sum. The nearest neighbour alone notices the misuse of a valid login; forest
and residual are right about floods and scans, which the others see too."""
LEVEL_WEIGHT = 3.0
"""A flow of another service is as far away as one that differs by three deviations twice."""
SMALLEST_DEVIATION = 0.05
LIMIT = 10.0


@dataclass(frozen=True)
class FlowEncoder:
    """Turns columns into numbers.

    Attributes:
        numbers: Names of the columns that are numbers.
        levels: Known values of the others; an unknown value is all zeros.
    """

    numbers: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, columns: Columns, categories: Sequence[str]) -> "FlowEncoder":
        """Learn the values of the categories."""
        numbers = tuple(name for name in columns if name not in categories)
        levels = {name: tuple(sorted(set(columns[name].tolist()))) for name in categories}
        return cls(numbers, levels)

    def __call__(self, columns: Columns) -> Floats:
        """Rows, `(N, numbers + levels)`, the numbers first."""
        blocks = [np.column_stack([columns[name].astype(float) for name in self.numbers])]
        for name, values in self.levels.items():
            given = columns[name].astype(str)[:, None]
            blocks.append((given == np.array(values)[None]).astype(float))
        return np.hstack(blocks)


class Detectors:
    """The four detectors, fitted.

    Args:
        rows: `(N, F)`, encoded flows.
        attack: `(N,)`.
        numbers: How many of the first columns are numbers.
        seed: Of the samples that the detectors draw.
    """

    def __init__(self, rows: Floats, attack: Labels, numbers: int, seed: int) -> None:
        parameters = {
            "objective": "binary:logistic",
            "base_score": 0.5,
            "max_depth": 6,
            "eta": 0.1,
            "nthread": 1,
            "seed": seed,
        }
        matrix = xgboost.DMatrix(rows, attack.astype(float), nthread=1)
        self._trees = xgboost.train(parameters, matrix, 150)
        self._numbers = numbers
        normal = rows[~attack]
        self._forest = IsolationForest(
            n_estimators=200, max_samples=min(512, len(normal)), random_state=seed
        )
        self._forest.fit(normal)
        logs = np.log1p(np.abs(normal[:, :numbers]))
        self._mean = logs.mean(0)
        self._deviation = np.maximum(logs.std(0), SMALLEST_DEVIATION)
        scaled = self._scaled(normal)
        self._plane = PCA(20, random_state=seed).fit(scaled)
        self._neighbours = NearestNeighbors(n_neighbors=1).fit(scaled)

    def scores(self, rows: Floats) -> Floats:
        """How suspicious each flow is to each detector: `(N, 4)`, higher is worse."""
        scaled = self._scaled(rows)
        rebuilt = self._plane.inverse_transform(self._plane.transform(scaled))
        residual = np.sqrt(((scaled - rebuilt) ** 2).sum(1))
        margin = self._trees.inplace_predict(rows, predict_type="margin")
        nearest = self._neighbours.kneighbors(scaled)[0][:, 0]
        return np.column_stack([margin, -self._forest.score_samples(rows), residual, nearest])

    def _scaled(self, rows: Floats) -> Floats:
        logs = np.log1p(np.abs(rows[:, : self._numbers]))
        scaled = np.clip((logs - self._mean) / self._deviation, -LIMIT, LIMIT)
        return np.hstack([scaled, LEVEL_WEIGHT * rows[:, self._numbers :]])


class NetworkModel:
    """An alarm with a false-alarm budget that is fixed beforehand.

    The tails and the threshold come from normal flows that the detectors in question had not seen:
    resubstituted, the budget is overshot twofold.

    Args:
        rows: `(N, F)`, encoded flows.
        attack: `(N,)`.
        numbers: How many of the first columns are numbers.
        budget: Share of normal flows that may raise an alarm.
        folds: Of the cross-fitting.
        seed: Of folds and detectors.
    """

    def __init__(
        self,
        rows: Floats,
        attack: Labels,
        numbers: int,
        *,
        budget: float = 0.05,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, attack)
        unseen = []
        for fit, held in splits:
            detectors = Detectors(rows[fit], attack[fit], numbers, seed)
            unseen.append(detectors.scores(rows[held][~attack[held]]))
        reference = np.concatenate(unseen)
        self._reference = np.sort(reference, axis=0)
        self._detectors = Detectors(rows, attack, numbers, seed)
        self.limits = np.quantile(reference, 1 - budget, axis=0)
        self.limit = float(np.quantile(self.join(reference), 1 - budget))

    def scores(self, rows: Floats) -> Floats:
        """Scores of the single detectors, `(N, 4)`."""
        return self._detectors.scores(rows)

    def tails(self, scores: Floats) -> Floats:
        """Share of unseen normal flows that score at least as high, never 0: `(N, 4)`."""
        count = len(self._reference)
        below = [
            np.searchsorted(self._reference[:, k], scores[:, k], "left")
            for k in range(scores.shape[1])
        ]
        return (count - np.column_stack(below) + 0.5) / (count + 1)

    def join(self, scores: Floats) -> Floats:
        """Fisher's statistic with weights, `(N,)`.

        Source: Fisher 1932, Statistical Methods for Research Workers, section 21.1; weights as in
        Good 1955, doi:10.1111/j.2517-6161.1955.tb00200.x.
        """
        return np.asarray(-np.log(self.tails(scores)) @ VOICES)

    def alarms(self, rows: Floats) -> Labels:
        """Which flows raise an alarm."""
        return np.asarray(self.join(self.scores(rows)) > self.limit)
