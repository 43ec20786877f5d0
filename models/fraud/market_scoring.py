"""The market models as served: a pump, a circle of trades, a habit of spoofing."""

from collections.abc import Mapping
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
from models.fraud.evidence import SPOOF_FEATURES, WASH_FEATURES
from models.fraud.market import FEATURES as PUMP_FEATURES
from models.fraud.scoring import WEIGHTS

FILE = "market.json"
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "pump": PUMP_FEATURES,
    "wash_trading": WASH_FEATURES,
    "spoofing": SPOOF_FEATURES,
}

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PatternModel:
    """Trees and calibration of one pattern."""

    features: tuple[str, ...]
    trees: Boosted
    calibration: Calibration

    def margins(self, rows: Floats) -> Floats:
        """Log-odds, `(N,)`."""
        return self.trees.margins(rows.astype(np.float32))

    def probability(self, margin: float) -> float:
        """Calibrated on simulated days."""
        return self.calibration(margin)

    def contributions(self, row: Floats, *, exact: bool) -> list[float]:
        """What each feature adds to the log-odds of a row."""
        values = row.astype(np.float32)
        told = self.trees.shapley(values[None])[0] if exact else self.trees.one(values)[1]
        return [float(each) for each in told[:-1]]


class MarketModel:
    """The models of all patterns.

    Args:
        content: The file of weights.
        sha256: Of the file.

    Raises:
        ModelUnavailable: It was trained on other features, or is damaged.
    """

    name = "market"

    def __init__(self, content: Mapping[str, Any], sha256: str) -> None:
        try:
            self._patterns = {name: _pattern(content[name], PATTERNS[name]) for name in PATTERNS}
        except (ValidationError, KeyError, TypeError) as error:
            raise ModelUnavailable(f"the market weights are not valid: {error!r}") from error
        self.version, self.sha256 = str(content["version"]), sha256

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "MarketModel":
        """Load and check the weights of a folder."""
        return cls(*load_json(folder, FILE))

    def __getitem__(self, pattern: str) -> PatternModel:
        """The model of one pattern."""
        return self._patterns[pattern]


def _pattern(content: Mapping[str, Any], features: tuple[str, ...]) -> PatternModel:
    if tuple(content["features"]) != features:
        raise ModelUnavailable("the model expects other features; run models.fraud.train")
    calibration = Calibration.model_validate(content["calibration"])
    return PatternModel(features, Boosted.unpacked(content["trees"]), calibration)
