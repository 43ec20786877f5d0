"""Boosted trees as they are served, whatever they judge: packed for few rows, XGBoost for many."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from models.core.errors import ModelUnavailable
from models.fraud.packing import packed, unpacked
from models.fraud.trees import PackedTrees

BATCH = 64
"""From this many rows on the library is faster than packed trees, one row after the other."""
PARITY = 1e-4
PROBES = 256

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


class Boosted:
    """Log-odds and contributions.

    Args:
        model: XGBoost's own JSON.

    Raises:
        ModelUnavailable: The packed trees disagree with XGBoost.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        self._booster = booster_of(model)
        self._trees = PackedTrees(model)
        self.width = self._trees.feature_count
        check_parity(self._trees, self._booster)

    @classmethod
    def unpacked(cls, value: Any) -> "Boosted":  # noqa: ANN401  # JSON
        """From what `packed_trees` made.

        Raises:
            ModelUnavailable: It is something else.
        """
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(unpacked(value, np.uint8).tobytes()))
        except xgboost.core.XGBoostError as error:
            raise ModelUnavailable(f"XGBoost cannot read the trees: {error}") from error
        return cls(json.loads(bytes(booster.save_raw("json"))))

    def one(self, row: Rows) -> tuple[float, Floats]:
        """Log-odds of a row, and along the trees' paths what each feature adds, the bias last."""
        return self._trees.margin_and_contributions(row)

    def many(self, rows: Rows) -> tuple[Floats, Floats]:
        """The same of many rows: `(N,)` and `(N, features + 1)`."""
        if len(rows) < BATCH:
            found = [self.one(row) for row in rows]
            margins = np.array([margin for margin, _ in found])
            return margins, np.array([each for _, each in found]).reshape(len(rows), -1)
        matrix = xgboost.DMatrix(rows, nthread=1)
        paths = self._booster.predict(matrix, pred_contribs=True, approx_contribs=True)
        contributions = np.asarray(paths, np.float64)
        return contributions.sum(1), contributions

    def margins(self, rows: Rows) -> Floats:
        """Log-odds alone, `(N,)`."""
        found = self._booster.inplace_predict(rows, predict_type="margin", missing=np.nan)
        return np.asarray(found, np.float64)

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


def packed_trees(booster: xgboost.Booster) -> dict[str, Any]:
    """XGBoost's compact format (UBJ) as part of a JSON file of weights."""
    return packed(np.frombuffer(bytes(booster.save_raw("ubj")), np.uint8))


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
