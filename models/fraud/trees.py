"""One row through a boosted forest in microseconds: packed arrays, all trees walked at once.

A library call costs a few hundred microseconds for one row, whatever the row. Here every tree lies
in flat arrays, leaves point at themselves, and the loop runs once per level for all trees together.

Contributions follow the path (Saabas 2014, http://blog.datadive.net/interpreting-random-forests/):
each split gets the change of the expected leaf value. They add up to the margin, but they are not
Shapley values; callers name the method.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.core.errors import ModelUnavailable

Floats = npt.NDArray[np.float64]
Row = npt.NDArray[np.float32]


class PackedTrees:
    """A read-only copy of an XGBoost model for two classes.

    Args:
        model: The model as JSON, XGBoost's own format.

    Raises:
        ModelUnavailable: It has categorical splits, dropout or several outputs.
    """

    def __init__(self, model: Mapping[str, Any]) -> None:
        learner = model["learner"]
        booster = learner["gradient_booster"]
        if booster["name"] != "gbtree" or learner["objective"]["name"] != "binary:logistic":
            raise ModelUnavailable("expected trees (gbtree) trained with binary:logistic")
        # A number as text; since XGBoost 3 the text of a vector.
        base = float(learner["learner_model_param"]["base_score"].strip("[]").split(",")[0])
        self.feature_count = int(learner["learner_model_param"]["num_feature"])
        trees = [_pack(tree) for tree in booster["model"]["trees"]]
        sizes = np.array([len(tree["value"]) for tree in trees])
        self._roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        self._levels = max(int(tree["depth"].max()) for tree in trees)
        joined = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
        offset = np.repeat(self._roots, sizes)
        self._feature = joined["feature"].astype(np.intp)
        self._threshold = joined["threshold"].astype(np.float32)
        self._default_left = joined["default_left"]
        children = [joined["right"] + offset, joined["left"] + offset]
        self._child = np.column_stack(children).ravel().astype(np.intp)  # [2 * node + go_left]
        self._value = joined["value"]
        self._expected = joined["expected"]
        self._base = math.log(base / (1 - base))
        self._bias = self._base + float(self._expected[self._roots].sum())

    def margin(self, row: Row) -> float:
        """Log-odds of one row, `(feature_count,)`, NaN where a value is missing."""
        return self._base + float(self._value[self._path(row)[-1]].sum())

    def margin_and_contributions(self, row: Row) -> tuple[float, Floats]:
        """Log-odds, and each feature's share of them; the last entry is the bias."""
        path = self._path(row)
        expected = self._expected[path]  # (levels + 1, trees)
        features = self._feature[path[:-1]]
        steps = np.diff(expected, axis=0)
        shares: Floats = np.bincount(
            features.ravel(), weights=steps.ravel(), minlength=self.feature_count + 1
        ).astype(np.float64)
        shares[-1] = self._bias
        return self._base + float(self._value[path[-1]].sum()), shares

    def probes(self, count: int) -> Row:
        """Rows on and beside the thresholds, a tenth of the values missing: `(count, features)`."""
        generator = np.random.default_rng(0)
        rows = generator.standard_normal((count, self.feature_count)).astype(np.float32)
        for feature in range(self.feature_count):
            inner = np.isfinite(self._threshold) & (self._feature == feature)
            if inner.any():
                rows[:, feature] = generator.choice(self._threshold[inner], count)
        rows += rows * generator.choice(np.array([-1e-3, 0, 1e-3], np.float32), rows.shape)
        rows[generator.random(rows.shape) < 0.1] = np.nan
        return rows

    def _path(self, row: Row) -> npt.NDArray[np.intp]:
        """Nodes passed: `(levels + 1, trees)`, the last row being the leaves."""
        path = np.empty((self._levels + 1, len(self._roots)), np.intp)
        path[0] = node = self._roots
        missing = np.isnan(row)
        holes = bool(missing.any())
        for level in range(self._levels):
            feature = self._feature[node]
            go_left = row[feature] < self._threshold[node]
            if holes:
                go_left |= missing[feature] & self._default_left[node]
            path[level + 1] = node = self._child[2 * node + go_left]
        return path


def _pack(tree: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    if any(tree.get("split_type", ())):
        raise ModelUnavailable("categorical splits are not supported; train with numbers")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    value = np.array(tree["split_conditions"], np.float32)
    leaf, own = left < 0, np.arange(len(left))
    return {
        "feature": np.where(leaf, 0, tree["split_indices"]),
        "threshold": np.where(leaf, np.inf, value),
        "left": np.where(leaf, own, left),
        "right": np.where(leaf, own, right),
        "default_left": np.array(tree["default_left"], bool),
        "value": np.where(leaf, value, 0).astype(float),
        "expected": _expected(left, right, value, np.array(tree["sum_hessian"], float)),
        "depth": _depth(left, right),
    }


def _expected(left: npt.NDArray[Any], right: npt.NDArray[Any], value: Row, cover: Floats) -> Floats:
    """Mean leaf value below each node, weighted by cover; parents come before children."""
    expected = value.astype(float)
    for node in range(len(left) - 1, -1, -1):
        one, other = left[node], right[node]
        if one >= 0:
            weight = cover[one] + cover[other]
            expected[node] = (expected[one] * cover[one] + expected[other] * cover[other]) / weight
    return expected


def _depth(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    depth = np.zeros(len(left), int)
    for node in range(len(left)):
        if left[node] >= 0:
            depth[[left[node], right[node]]] = depth[node] + 1
    return depth
