"""An isolation forest as flat arrays: all rows walk all trees at once, without scikit-learn."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.fraud.packing import packed, unpacked

Floats = npt.NDArray[np.float64]
EULER = 0.5772156649015329


class Isolation:
    """How soon random splits isolate a row: 1 at once, below one half like most rows.

    Source: Liu, Ting and Zhou 2008, doi:10.1109/ICDM.2008.17, section 2.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._roots = unpacked(content["roots"], np.intp)
        self._feature = unpacked(content["feature"], np.intp)
        self._threshold = unpacked(content["threshold"], np.float32)
        self._left = unpacked(content["left"], np.intp)
        self._right = unpacked(content["right"], np.intp)
        self._length = unpacked(content["length"], np.float64)
        self._levels = int(content["levels"])
        self._usual = usual_length(int(content["samples"]))

    def scores(self, rows: Floats) -> Floats:
        """How unusual each row is, `(N,)`."""
        values = rows.astype(np.float32)
        node = np.broadcast_to(self._roots, (len(rows), len(self._roots)))  # (N, trees)
        for _ in range(self._levels):
            below = np.take_along_axis(values, self._feature[node], 1) <= self._threshold[node]
            node = np.where(below, self._left[node], self._right[node])
        mean = self._length[node].mean(1)
        return np.asarray(2.0 ** (-mean / self._usual))


def packed_isolation(forest: Any) -> dict[str, Any]:  # noqa: ANN401  # scikit-learn has no types
    """A fitted `IsolationForest` as JSON; leaves point at themselves."""
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    roots, start, levels = [], 0, 0
    for each, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        tree = each.tree_
        own, leaf = np.arange(tree.node_count), tree.children_left < 0
        depth = _depths(tree)
        extra = np.array([usual_length(int(count)) for count in tree.n_node_samples])
        found = {
            "feature": np.where(leaf, 0, columns[np.maximum(tree.feature, 0)]),
            "threshold": np.where(leaf, np.inf, _rounded_down(tree.threshold)),
            "left": start + np.where(leaf, own, tree.children_left),
            "right": start + np.where(leaf, own, tree.children_right),
            "length": depth + extra,
        }
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
        roots.append(start)
        start, levels = start + tree.node_count, max(levels, int(depth.max()))
    types = {"feature": "<i2", "threshold": "<f4", "left": "<i4", "right": "<i4", "length": "<f4"}
    arrays = {name: packed(np.concatenate(parts[name]).astype(t)) for name, t in types.items()}
    samples = int(forest.max_samples_)
    return {
        **arrays,
        "roots": packed(np.array(roots, "<i4")),
        "levels": levels,
        "samples": samples,
    }


def usual_length(count: int) -> float:
    """Mean length of an unsuccessful search in a binary tree of `count` rows; equation 1."""
    if count <= 2:
        return float(count == 2)
    return 2 * (math.log(count - 1) + EULER) - 2 * (count - 1) / count


def _rounded_down(thresholds: Floats) -> npt.NDArray[np.float32]:
    """Float32 thresholds that split float32 values as the float64 ones do."""
    rounded = thresholds.astype(np.float32)
    down = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded.astype(np.float64) > thresholds, down, rounded)


def _depths(tree: Any) -> Floats:  # noqa: ANN401  # scikit-learn has no types
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        if tree.children_left[node] >= 0:
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return depth
