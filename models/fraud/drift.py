"""Whether payments still look like those that the model learned from.

The population stability index compares shares of payments in bins: tenths of the training
payments, and one bin for what is not known (Siddiqi 2006, Credit Risk Scorecards, chapter 8).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from models.core.capability import Value

Floats = npt.NDArray[np.float64]

TENTHS = 10
SCORE = "score"
ENOUGH = 500
"""Below so many payments chance alone moves the index."""
MOVED, ALARMING = 0.10, 0.25
"""Siddiqi's limits: worth a look, and no longer the same population."""
LEAST_SHARE = 1e-4


class Bins(Value):
    """How a feature was distributed in training.

    Attributes:
        edges: Inner ones, ascending; fewer than nine where values repeat.
        shares: Of the payments in each bin, the last one being "not known".
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Shift(Value):
    """How far a feature, or the score, has moved since training."""

    name: str
    psi: float = Field(description="population stability index, at least 0")
    alarm: bool = Field(description="above 0.25, beyond what chance would explain")


def binned(values: Floats) -> Bins:
    """Bins of training values, `(N,)`, NaN where not known."""
    known = values[~np.isnan(values)]
    edges = (
        np.unique(np.quantile(known, np.linspace(0, 1, TENTHS + 1)[1:-1]))
        if len(known)
        else np.empty(0)
    )
    shares = _shares(values, edges)
    return Bins(edges=tuple(map(float, edges)), shares=tuple(map(float, shares)))


def stability_index(bins: Bins, values: Floats) -> float:
    """The index of new values against training, chance deducted.

    With `N` values and `B` bins chance alone makes `(B - 1) / N` on average.
    """
    expected = np.maximum(np.array(bins.shares), LEAST_SHARE)
    found = np.maximum(_shares(values, np.array(bins.edges)), LEAST_SHARE)
    index = float(((found - expected) * np.log(found / expected)).sum())
    return max(0.0, index - (len(expected) - 1) / max(1, len(values)))


def shifts(
    baseline: Mapping[str, Bins], names: tuple[str, ...], rows: Floats, margins: Floats
) -> tuple[Shift, ...]:
    """The index of every feature and of the score, the largest first.

    Args:
        baseline: Bins by name, `SCORE` included.
        names: Of the columns.
        rows: `(N, features)`.
        margins: `(N,)`.
    """
    columns = {**dict(zip(names, rows.T, strict=True)), SCORE: margins}
    found = [
        (name, stability_index(baseline[name], values))
        for name, values in columns.items()
        if name in baseline
    ]
    return tuple(
        Shift(name=name, psi=round(index, 4), alarm=index > ALARMING)
        for name, index in sorted(found, key=lambda each: -each[1])
    )


def baseline_of(names: tuple[str, ...], rows: Floats, margins: Floats) -> dict[str, Any]:
    """Bins of everything in training, as JSON."""
    columns = {**dict(zip(names, rows.T, strict=True)), SCORE: margins}
    return {name: binned(values).model_dump(mode="json") for name, values in columns.items()}


def read_baseline(content: object) -> dict[str, Bins]:
    """Bins from a file of weights; empty where the file has none."""
    if not isinstance(content, Mapping):
        return {}
    try:
        return {str(name): Bins.model_validate(bins) for name, bins in content.items()}
    except ValidationError:
        return {}


def _shares(values: Floats, edges: Floats) -> Floats:
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, "left"), minlength=len(edges) + 1)
    unknown = len(values) - len(known)
    return np.append(counts, unknown) / max(1, len(values))
