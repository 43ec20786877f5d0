"""The payment model as served: packed trees for one payment, XGBoost for batches and Shapley."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost
from pydantic import ValidationError

from models.core.errors import ModelUnavailable
from models.core.weights import load_json
from models.fraud.calibration import Calibration
from models.fraud.features import NAMES
from models.fraud.trees import PackedTrees

WEIGHTS = Path(__file__).parent / "weights"
FILE = "transactions.json"
BATCH = 64
"""From this many rows on the library is faster than packed trees, one row after the other."""
PARITY = 1e-4
PROBES = 256

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

    Args:
        content: The file of weights: the model, its calibration, its features.
        sha256: Of the file.

    Raises:
        ModelUnavailable: It was trained on other features, or the packed trees disagree with
            XGBoost.
    """

    name = "transactions"

    def __init__(self, content: dict[str, Any], sha256: str) -> None:
        if tuple(content.get("features", ())) != NAMES:
            raise ModelUnavailable("the model expects other features; run models.fraud.train")
        try:
            self.calibration = Calibration.model_validate(content["calibration"])
        except (ValidationError, KeyError) as error:
            raise ModelUnavailable(f"the calibration is not valid: {error}") from error
        self.version = str(content["version"])
        self.sha256 = sha256
        self._booster = booster_of(content["model"])
        self._trees = PackedTrees(content["model"])
        check_parity(self._trees, self._booster)

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "TransactionModel":
        """Load and check the weights of a folder."""
        return cls(*load_json(folder, FILE))

    def score(self, row: Rows) -> Score:
        """Score one payment, `(features,)`."""
        margin, contributions = self._trees.margin_and_contributions(row)
        return Score(margin, self.calibration(margin), contributions)

    def scores(self, rows: Rows) -> list[Score]:
        """Score many payments, `(N, features)`, by the library."""
        matrix = xgboost.DMatrix(rows, nthread=1)
        paths = self._booster.predict(matrix, pred_contribs=True, approx_contribs=True)
        contributions = np.asarray(paths, np.float64)
        margins = contributions.sum(1)
        probabilities = self.calibration.many(margins).tolist()
        return list(map(Score, margins.tolist(), probabilities, contributions))

    def shapley(self, rows: Rows) -> Floats:
        """Exact Shapley values, `(N, features + 1)` (Lundberg et al. 2018, arXiv:1802.03888)."""
        matrix = xgboost.DMatrix(rows, nthread=1)
        return np.asarray(self._booster.predict(matrix, pred_contribs=True), np.float64)


def booster_of(model: dict[str, Any]) -> xgboost.Booster:
    """XGBoost's model from its JSON, on one thread: more make a single row slower."""
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(model).encode()))
    booster.set_param({"nthread": 1})
    return booster


def check_parity(trees: PackedTrees, booster: xgboost.Booster) -> None:
    """Compare packed trees with XGBoost on values around every threshold, some missing.

    Raises:
        ModelUnavailable: They differ.
    """
    rows = trees.probes(PROBES)
    theirs = booster.inplace_predict(rows, predict_type="margin", missing=np.nan)
    worst = max(
        abs(trees.margin(row) - float(their)) for row, their in zip(rows, theirs, strict=True)
    )
    if worst > PARITY:
        raise ModelUnavailable(f"packed trees differ from XGBoost by {worst:.1e} on a probe")
