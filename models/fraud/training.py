"""Fitting a payment model: boosted trees, and a calibration that never saw what they learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from models.fraud.calibration import Calibration, fit_isotonic
from models.fraud.features import DAY_S

Rows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# At 1 % of fraud the automatic base score makes every hessian tiny at first, so that leaves need
# hundreds of payments; and 256 bins lose the tail of the amounts.
PARAMETERS = {
    "objective": "binary:logistic",
    "base_score": 0.5,
    "max_depth": 4,
    "eta": 0.1,
    "min_child_weight": 5,
    "max_bin": 4096,
    "reg_lambda": 2,
    "subsample": 0.9,
    "colsample_bynode": 0.4,
    "nthread": 1,
}
TREES = 120


@dataclass(frozen=True)
class Fitted:
    """A model, its calibration, and how far back its knowledge goes."""

    booster: xgboost.Booster
    calibration: Calibration
    trained_until_s: float


def fit(
    rows: Rows,
    fraud: Labels,
    at_s: Floats,
    *,
    seed: int = 0,
    folds: int = 4,
    fade_days: float | None = None,
) -> Fitted:
    """Fit trees on everything, and the calibration on margins from trees that left them out.

    Args:
        rows: `(N, features)`, in order of event time.
        fraud: `(N,)`.
        at_s: `(N,)`, seconds since 1970.
        seed: Of the sampling of rows and columns.
        folds: Spans of time that are left out one after the other.
        fade_days: A payment that is so much older than the last one weighs 1/e of it.
    """
    weights = np.exp((at_s - at_s[-1]) / (fade_days * DAY_S)) if fade_days else np.ones(len(rows))
    margins = np.empty(len(rows))
    for part in np.array_split(np.arange(len(rows)), folds):
        rest = np.ones(len(rows), bool)
        rest[part] = False
        margins[part] = margins_of(_boost(rows[rest], fraud[rest], weights[rest], seed), rows[part])
    booster = _boost(rows, fraud, weights, seed)
    return Fitted(booster, fit_isotonic(margins, fraud), float(at_s[-1]))


def margins_of(booster: xgboost.Booster, rows: Rows) -> Floats:
    """Log-odds, `(N,)`."""
    margins = booster.inplace_predict(rows, predict_type="margin", missing=np.nan)
    return np.asarray(margins, np.float64)


def _boost(rows: Rows, fraud: Labels, weights: Floats, seed: int) -> xgboost.Booster:
    parameters: dict[str, Any] = {**PARAMETERS, "seed": seed}
    matrix = xgboost.DMatrix(rows, fraud.astype(np.float32), weight=weights, nthread=1)
    return xgboost.train(parameters, matrix, TREES)
