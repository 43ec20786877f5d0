"""A fitted network model as the file of weights that is served, and the gate that compares both."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.core.errors import ModelUnavailable
from models.fraud.boosted import packed_trees
from models.fraud.calibration import Calibration
from models.fraud.flow_rows import COLUMNS, SOURCE_OF
from models.fraud.flow_scoring import FlowModel
from models.fraud.isolation import packed_isolation
from models.fraud.network import NetworkModel
from models.fraud.packing import packed

QUANTILES = 2_000
PARITY = 1e-3

Floats = npt.NDArray[np.float64]


def exported(
    model: NetworkModel, calibration: Calibration, budget: float, *, own_traffic: bool
) -> dict[str, Any]:
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
        "own_traffic": own_traffic,
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
