"""The payment model as served: boosted trees and their calibration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.core.errors import ModelUnavailable
from models.core.weights import load_json
from models.fraud.boosted import BATCH, Boosted
from models.fraud.calibration import Calibration
from models.fraud.features import NAMES

WEIGHTS = Path(__file__).parent / "weights"
FILE = "transactions.json"

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """What the model says of one payment.

    Attributes:
        margin: Log-odds before calibration.
        probability: After it.
        contributions: `(features + 1,)`, along the trees' paths, the last one being the bias.
    """

    margin: float
    probability: float
    contributions: Floats


class TransactionModel:
    """Scores payments.

    Weights that were trained before the latest features came into use stay valid without them.

    Args:
        content: The file of weights: the model, its calibration, its features.
        sha256: Of the file.

    Raises:
        ModelUnavailable: It was trained on other features, or the packed trees disagree with
            XGBoost.
    """

    name = "transactions"

    def __init__(self, content: dict[str, Any], sha256: str) -> None:
        features = tuple(content.get("features", ()))
        if not features or features != NAMES[: len(features)]:
            raise ModelUnavailable("the model expects other features; run models.fraud.train")
        try:
            self.calibration = Calibration.model_validate(content["calibration"])
        except (ValidationError, KeyError) as error:
            raise ModelUnavailable(f"the calibration is not valid: {error}") from error
        self.version = str(content["version"])
        self.sha256 = sha256
        self.baseline = content.get("baseline")
        self._boosted = Boosted(content["model"])
        self._width = len(features)

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "TransactionModel":
        """Load and check the weights of a folder."""
        return cls(*load_json(folder, FILE))

    def score(self, row: Rows) -> Score:
        """Score one payment, `(features,)`."""
        margin, contributions = self._boosted.one(row[: self._width])
        return Score(margin, self.calibration(margin), self._padded(contributions[None])[0])

    def scores(self, rows: Rows) -> list[Score]:
        """Score many payments, `(N, features)`."""
        if len(rows) < BATCH:
            return [self.score(row) for row in rows]
        margins, contributions = self._boosted.many(rows[:, : self._width])
        probabilities = self.calibration.many(margins).tolist()
        return list(map(Score, margins.tolist(), probabilities, self._padded(contributions)))

    def margins(self, rows: Rows) -> Floats:
        """Log-odds alone, `(N,)`."""
        return self._boosted.margins(rows[:, : self._width])

    def shapley(self, rows: Rows) -> Floats:
        """Exact Shapley values, `(N, features + 1)`."""
        return self._padded(self._boosted.shapley(rows[:, : self._width]))

    def _padded(self, contributions: Floats) -> Floats:
        """Nothing from features that came into use after the training, the bias still last."""
        missing = len(NAMES) - self._width
        if not missing:
            return contributions
        return np.insert(contributions, [self._width] * missing, 0.0, axis=1)
