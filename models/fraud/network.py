"""Network flows: known attacks by what they were, unknown ones by being unlike normal traffic.

Four detectors see different things. Boosted trees know the attacks of the past. An isolation
forest, the residual of a principal-component model and the distance to the nearest normal flow,
measured by how far apart those are there, are fitted on normal traffic alone. Each score becomes a tail probability against normal traffic that
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

from models.fraud.flow_limit import limit_over_mixes
from models.fraud.surprise import (
    SMALLEST_DEVIATION,
    filled,
    joined,
    standardised,
    strangeness,
    tails_of,
)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[np.generic]]


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


@dataclass(frozen=True)
class Size:
    """How large the detectors are.

    Attributes:
        trees: Boosted trees.
        forest: Trees of the isolation forest.
        samples: Normal flows that each of these sees.
        references: Normal flows among which the nearest is sought; all of them if absent.
    """

    trees: int = 150
    forest: int = 200
    samples: int = 512
    references: int | None = None


class Detectors:
    """The four detectors, fitted; NaN is a number that is not known, and then no evidence.

    Args:
        rows: `(N, F)`, encoded flows.
        attack: `(N,)`.
        numbers: How many of the first columns are numbers.
        seed: Of the samples that the detectors draw.
        size: How large they are.
    """

    def __init__(
        self, rows: Floats, attack: Labels, numbers: int, seed: int, size: Size = Size()
    ) -> None:
        parameters = {
            "objective": "binary:logistic",
            "base_score": 0.5,
            "max_depth": 6,
            "eta": 0.1,
            "nthread": 1,
            "seed": seed,
        }
        matrix = xgboost.DMatrix(rows, attack.astype(float), nthread=1)
        self.trees = xgboost.train(parameters, matrix, size.trees)
        self._numbers = numbers
        normal = rows[~attack]
        logs = np.log1p(np.abs(normal[:, :numbers]))
        self.mean = np.nanmean(logs, axis=0)
        self.deviation = np.maximum(np.nanstd(logs, axis=0), SMALLEST_DEVIATION)
        self.forest = IsolationForest(
            n_estimators=size.forest,
            max_samples=min(size.samples, len(normal)),
            random_state=seed,
        )
        self.forest.fit(self._filled(normal))
        scaled = self._scaled(normal)
        self.plane = PCA(20, random_state=seed).fit(scaled)
        self.references = scaled
        if size.references is not None and size.references < len(scaled):
            chosen = np.random.default_rng(seed).choice(len(scaled), size.references, False)
            self.references = scaled[chosen]
        self._neighbours = NearestNeighbors(n_neighbors=1).fit(self.references)
        self._spacing = self._neighbours.kneighbors()[0][:, 0]

    def scores(self, rows: Floats) -> Floats:
        """How suspicious each flow is to each detector: `(N, 4)`, higher is worse."""
        scaled = self._scaled(rows)
        rebuilt = self.plane.inverse_transform(self.plane.transform(scaled))
        residual = np.sqrt(((scaled - rebuilt) ** 2).sum(1))
        margin = self.trees.inplace_predict(rows, predict_type="margin", missing=np.nan)
        distance, place = self._neighbours.kneighbors(scaled)
        nearest = strangeness(distance[:, 0], self._spacing[place[:, 0]])
        unusual = -self.forest.score_samples(self._filled(rows))
        return np.column_stack([margin, unusual, residual, nearest])

    def _scaled(self, rows: Floats) -> Floats:
        return standardised(rows, self.mean, self.deviation)

    def _filled(self, rows: Floats) -> Floats:
        return filled(rows, self.mean)


class NetworkModel:
    """An alarm with a false-alarm budget that is fixed beforehand.

    The tails and the threshold come from normal flows that the detectors in question had not seen,
    and the budget holds for other mixes of their kinds too: on a later day the plain quantile is
    overshot twofold. A kind is a combination of the levels of the categories.

    Args:
        rows: `(N, F)`, encoded flows.
        attack: `(N,)`.
        numbers: How many of the first columns are numbers.
        budget: Share of normal flows that may raise an alarm.
        folds: Of the cross-fitting.
        seed: Of folds and detectors.
        size: Of the detectors.
        keep_attacks: Score the attacks that were held out too, for a calibration.
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
        size: Size = Size(),
        keep_attacks: bool = False,
    ) -> None:
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, attack)
        unseen, attacks, kinds = [], [], []
        for fit, held in splits:
            detectors = Detectors(rows[fit], attack[fit], numbers, seed, size)
            ordinary = held[~attack[held]]
            unseen.append(detectors.scores(rows[ordinary]))
            kinds.append(rows[ordinary, numbers:])
            if keep_attacks:
                attacks.append(detectors.scores(rows[held][attack[held]]))
        self.unseen = reference = np.concatenate(unseen)
        self.unseen_attacks = np.concatenate(attacks) if attacks else np.empty((0, 4))
        self._reference = np.sort(reference, axis=0)
        self.detectors = Detectors(rows, attack, numbers, seed, size)
        self.limits = np.quantile(reference, 1 - budget, axis=0)
        kind = np.unique(np.concatenate(kinds), axis=0, return_inverse=True)[1]
        self.limit = limit_over_mixes(self.join(reference), kind, budget)

    def scores(self, rows: Floats) -> Floats:
        """Scores of the single detectors, `(N, 4)`."""
        return self.detectors.scores(rows)

    def tails(self, scores: Floats) -> Floats:
        """Share of unseen normal flows that score at least as high, never 0: `(N, 4)`."""
        return tails_of(scores, self._reference)

    def join(self, scores: Floats) -> Floats:
        """Fisher's statistic with weights, `(N,)`."""
        return joined(self.tails(scores))

    def alarms(self, rows: Floats) -> Labels:
        """Which flows raise an alarm."""
        return np.asarray(self.join(self.scores(rows)) > self.limit)
