"""The network model as served: the four detectors of `models.fraud.network` from one JSON file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.core.errors import ModelUnavailable
from models.core.weights import load_json
from models.fraud.boosted import Boosted, packed_trees
from models.fraud.calibration import Calibration
from models.fraud.flow_rows import COLUMNS, SOURCE_OF
from models.fraud.isolation import Isolation, packed_isolation
from models.fraud.network import VOICES, NetworkModel, filled, standardised, tails_of
from models.fraud.packing import packed, unpacked
from models.fraud.scoring import WEIGHTS

FILE = "flows.json"
QUANTILES = 2_000
PARITY = 1e-3

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

    Raises:
        ModelUnavailable: It was trained on other features, or is damaged.
    """

    name = "flows"

    def __init__(self, content: Mapping[str, Any], sha256: str) -> None:
        if tuple(content.get("features", ())) != SOURCE_OF:
            raise ModelUnavailable("the model expects other features; run models.fraud.train")
        try:
            self._calibration = Calibration.model_validate(content["calibration"])
            self.limit, self.budget = float(content["limit"]), float(content["budget"])
            self._forest = Isolation(content["isolation"])
            names = ("mean", "deviation", "axes", "centre", "references", "tails")
            arrays = [unpacked(content[name], np.float64) for name in names]
        except (ValidationError, KeyError, TypeError) as error:
            raise ModelUnavailable(f"the network weights are not valid: {error!r}") from error
        self._mean, self._deviation, self._axes, self._centre, self._references, self._tails = (
            arrays
        )
        self._trees = Boosted.unpacked(content["trees"])
        self.version, self.sha256 = str(content["version"]), sha256

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "FlowModel":
        """Load and check the weights of a folder."""
        return cls(*load_json(folder, FILE))

    def scores(self, rows: Floats) -> list[FlowScore]:
        """Score flows, `(N, WIDTH)`."""
        parts = -np.log(tails_of(self.detectors(rows), self._tails)) * VOICES
        joined = parts.sum(1)
        probabilities = self._calibration.many(joined).tolist()
        return [
            FlowScore(score, probability, part, score > self.limit)
            for score, probability, part in zip(joined.tolist(), probabilities, parts, strict=True)
        ]

    def detectors(self, rows: Floats) -> Floats:
        """How suspicious each flow is to each detector: `(N, 4)`, higher is worse."""
        scaled = standardised(rows, self._mean, self._deviation)
        residual = np.sqrt((self._residual(scaled) ** 2).sum(1))
        nearest = np.sqrt(self._nearest(scaled)[1])
        unusual = self._forest.scores(filled(rows, self._mean))
        margins = self._trees.many(rows.astype(np.float32))[0]
        return np.column_stack([margins, unusual, residual, nearest])

    def shares(self, row: Floats, parts: Floats, *, exact: bool) -> tuple[dict[str, float], bool]:
        """What each feature adds to the score of a flow, the isolation forest's part left out.

        A detector's part is divided among the features that raise its own score: by their
        contributions in the trees, by squared differences in the others.

        Args:
            row: `(WIDTH,)`.
            parts: Of its score.
            exact: Shapley values for the trees, instead of their paths.

        Returns:
            Contributions by feature, and whether most of them come from the trees.
        """
        scaled = standardised(row[None], self._mean, self._deviation)
        values = row.astype(np.float32)
        told = self._trees.shapley(values[None])[0] if exact else self._trees.one(values)[1]
        far = (scaled - self._references[self._nearest(scaled)[0]])[0] ** 2
        weights = (told[:-1], None, self._residual(scaled)[0] ** 2, far)
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

    def _residual(self, scaled: Floats) -> Floats:
        middle = scaled - self._centre
        return np.asarray(middle - middle @ self._axes.T @ self._axes)

    def _nearest(self, scaled: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
        """Nearest normal flow, and its squared distance."""
        squared = (scaled**2).sum(1)[:, None] - 2 * scaled @ self._references.T
        squared += (self._references**2).sum(1)[None]
        place = squared.argmin(1)
        # Differences again, since the expansion loses digits where flows are nearly equal.
        return place, ((scaled - self._references[place]) ** 2).sum(1)


def exported(model: NetworkModel, calibration: Calibration, budget: float) -> dict[str, Any]:
    """A fitted network model as the file of weights, but for its version."""
    detectors = model.detectors
    tails = np.quantile(model.unseen, np.linspace(0, 1, QUANTILES), axis=0)
    arrays = {
        "mean": detectors.mean,
        "deviation": detectors.deviation,
        "axes": detectors.plane.components_,
        "centre": detectors.plane.mean_,
        "references": detectors.references,
        "tails": tails,
    }
    return {
        "features": list(SOURCE_OF),
        "numbers": len(COLUMNS),
        "budget": budget,
        "limit": model.limit,
        "calibration": calibration.model_dump(mode="json"),
        "trees": packed_trees(detectors.trees),
        "isolation": packed_isolation(detectors.forest),
        **{name: packed(array.astype("<f4")) for name, array in arrays.items()},
    }


def check_agreement(served: FlowModel, fitted: NetworkModel, rows: Floats) -> None:
    """Compare what is served with what was fitted.

    Raises:
        ModelUnavailable: They differ.
    """
    gap = np.abs(served.detectors(rows) - fitted.scores(rows))
    worst = float((gap / (1 + np.abs(fitted.scores(rows)))).max())
    if worst > PARITY:
        raise ModelUnavailable(f"the served detectors differ from the fitted ones by {worst:.1e}")
