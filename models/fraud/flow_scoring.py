"""The network model as served: the four detectors of `models.fraud.network` from one JSON file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.core.errors import ModelUnavailable
from models.core.weights import load_json
from models.fraud.boosted import Boosted
from models.fraud.calibration import Calibration
from models.fraud.flow_rows import SOURCE_OF
from models.fraud.flow_site import Site, limited
from models.fraud.isolation import Isolation
from models.fraud.ordinary import Ordinary
from models.fraud.packing import unpacked
from models.fraud.scoring import WEIGHTS
from models.fraud.surprise import VOICES, filled, tails_of

FILE = "flows.json"
CHUNK = 500
"""Flows in between two looks at whether the caller is still there."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FlowScore:
    """What the model says of one flow.

    Attributes:
        score: Fisher's weighted sum, 0 for the most usual flow.
        probability: Calibrated, at the share of attacks in training.
        parts: `(4,)`, what each detector adds to the score.
        alarm: The score is above the limit of the false-alarm budget.
    """

    score: float
    probability: float
    parts: Floats
    alarm: bool


class FlowModel:
    """Scores flows.

    Args:
        content: The file of weights.
        sha256: Of the file.

    Attributes:
        budget: Share of ordinary flows that may raise an alarm.
        trained: What was ordinary in training.
        own_traffic: The limit comes from flows that an operator gave, not from generated ones.

    Raises:
        ModelUnavailable: It was trained on other features, or is damaged.
    """

    name = "flows"

    def __init__(self, content: Mapping[str, Any], sha256: str) -> None:
        if tuple(content.get("features", ())) != SOURCE_OF:
            raise ModelUnavailable("the model expects other features; run models.fraud.train")
        try:
            self._calibration = Calibration.model_validate(content["calibration"])
            limit, self.budget = float(content["limit"]), float(content["budget"])
            self._forest = Isolation(content["isolation"])
            names = ("mean", "deviation", "axes", "centre", "references", "tails")
            arrays = [unpacked(content[name], np.float64) for name in names]
        except (ValidationError, KeyError, TypeError) as error:
            raise ModelUnavailable(f"the network weights are not valid: {error!r}") from error
        *arrays, tails = arrays
        self.trained = Site(Ordinary(*arrays), tails, limit)
        self.own_traffic = bool(content.get("own_traffic"))
        self._trees = Boosted.unpacked(content["trees"])
        self.version, self.sha256 = str(content["version"]), sha256

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "FlowModel":
        """Load and check the weights of a folder."""
        return cls(*load_json(folder, FILE))

    def site(self, rows: Floats, budget: float, check: Callable[[], None]) -> Site:
        """The network on which rows in order, `(N, WIDTH)`, are ordinary.

        The detectors of distance learn from the first half, tails and limit from the second one,
        which they have not seen; trees and isolation forest stay.
        """
        half = len(rows) // 2
        ordinary, parts = Ordinary.of(rows[:half], self.trained.ordinary), []
        for start in range(half, len(rows), CHUNK):
            check()
            parts.append(self.detectors(rows[start : start + CHUNK], ordinary))
        return limited(ordinary, np.concatenate(parts), budget)

    def scores(self, rows: Floats, site: Site | None = None) -> list[FlowScore]:
        """Score flows, `(N, WIDTH)`, of a network that is like those of training if none is told."""
        site = site or self.trained
        parts = -np.log(tails_of(self.detectors(rows, site.ordinary), site.tails)) * VOICES
        sums = parts.sum(1)
        probabilities = self._calibration.many(sums).tolist()
        return [
            FlowScore(score, probability, part, score > site.limit)
            for score, probability, part in zip(sums.tolist(), probabilities, parts, strict=True)
        ]

    def detectors(self, rows: Floats, ordinary: Ordinary | None = None) -> Floats:
        """How suspicious each flow is to each detector: `(N, 4)`, higher is worse."""
        ordinary = ordinary or self.trained.ordinary
        scaled = ordinary.scaled(rows)
        residual = np.sqrt((ordinary.residual(scaled) ** 2).sum(1))
        nearest = ordinary.strangeness(scaled)
        unusual = self._forest.scores(filled(rows, self.trained.ordinary.mean))
        margins = self._trees.many(rows.astype(np.float32))[0]
        return np.column_stack([margins, unusual, residual, nearest])

    def shares(
        self, row: Floats, parts: Floats, *, exact: bool, site: Site | None = None
    ) -> tuple[dict[str, float], bool]:
        """What each feature adds to the score of a flow, the isolation forest's part left out.

        A detector's part is divided among the features that raise its own score: by their
        contributions in the trees, by squared differences in the others.

        Args:
            row: `(WIDTH,)`.
            parts: Of its score.
            exact: Shapley values for the trees, instead of their paths.
            site: That the score is of.

        Returns:
            Contributions by feature, and whether most of them come from the trees.
        """
        ordinary = (site or self.trained).ordinary
        scaled = ordinary.scaled(row[None])
        values = row.astype(np.float32)
        told = self._trees.shapley(values[None])[0] if exact else self._trees.one(values)[1]
        far = (scaled - ordinary.references[ordinary.nearest(scaled)[0]])[0] ** 2
        weights = (told[:-1], None, ordinary.residual(scaled)[0] ** 2, far)
        found: dict[str, float] = {}
        for part, weight in zip(parts.tolist(), weights, strict=True):
            if weight is None:
                continue
            raising = np.maximum(weight, 0)
            total = float(raising.sum())
            for place in np.flatnonzero(raising).tolist():
                name = SOURCE_OF[place]
                found[name] = found.get(name, 0.0) + part * float(raising[place]) / total
        return found, bool(parts[0] >= parts[1:].sum())
