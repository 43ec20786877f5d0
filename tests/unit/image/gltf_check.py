"""Checks a GLB file against the rules of glTF 2.0 that readers rely on."""

import json
import struct
from typing import Any

import numpy as np

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
KINDS = {5126: np.float32, 5125: np.uint32}


class Glb:
    """A file that was read and found to be well formed."""

    def __init__(self, content: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        text, binary = _chunks(content)
        self.description: dict[str, Any] = json.loads(text)
        self._binary = binary
        assert len(binary) - self.description["buffers"][0]["byteLength"] < 4
        self.arrays = [self._array(accessor) for accessor in self.description["accessors"]]
        self._check_graph()
        self._check_meshes()
        self._check_animations()
        used = set(self.description.get("extensionsUsed", ()))
        assert used == _extensions_in(self.description)

    def _array(self, accessor: dict[str, Any]) -> np.ndarray:
        view = self.description["bufferViews"][accessor["bufferView"]]
        dtype, width = KINDS[accessor["componentType"]], WIDTHS[accessor["type"]]
        start = view["byteOffset"]
        assert start % 4 == 0
        assert view["byteLength"] == accessor["count"] * width * 4
        assert start + view["byteLength"] <= len(self._binary)
        values = np.frombuffer(self._binary, dtype, accessor["count"] * width, start)
        values = values.reshape(-1, width)
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(values.min(0), np.array(accessor["min"], dtype))
        np.testing.assert_array_equal(values.max(0), np.array(accessor["max"], dtype))
        return values

    def _check_graph(self) -> None:
        nodes = self.description["nodes"]
        children = [child for node in nodes for child in node.get("children", ())]
        roots = self.description["scenes"][0]["nodes"]
        assert sorted(children + roots) == list(range(len(nodes)))  # a forest, nothing left over
        for node in nodes:
            if "rotation" in node:
                assert abs(np.linalg.norm(node["rotation"]) - 1) < 1e-6

    def _check_meshes(self) -> None:
        for mesh in self.description["meshes"]:
            for part in mesh["primitives"]:
                positions = self.arrays[part["attributes"]["POSITION"]]
                normals = self.arrays[part["attributes"]["NORMAL"]]
                indices = self.arrays[part["indices"]]
                assert len(positions) == len(normals)
                assert indices.max() < len(positions)
                assert len(indices) % 3 == 0
                np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=5e-4)
                material = self.description["materials"][part["material"]]
                factors = material["pbrMetallicRoughness"]
                assert all(0 <= value <= 1 for value in factors.get("baseColorFactor", ()))
                assert 0 <= factors["metallicFactor"] <= 1
                assert 0 <= factors["roughnessFactor"] <= 1
                assert all(0 <= value <= 1 for value in material.get("emissiveFactor", ()))

    def _check_animations(self) -> None:
        for animation in self.description.get("animations", ()):
            for channel in animation["channels"]:
                sampler = animation["samplers"][channel["sampler"]]
                times, turns = self.arrays[sampler["input"]], self.arrays[sampler["output"]]
                assert channel["target"]["node"] < len(self.description["nodes"])
                assert times[0] == 0
                assert (np.diff(times[:, 0]) > 0).all()
                assert len(times) == len(turns)
                np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1, atol=1e-6)

    def world(self) -> dict[str, np.ndarray]:
        """Positions of all vertices in the world by name of the node, several nodes joined."""
        found: dict[str, list[np.ndarray]] = {}
        for root in self.description["scenes"][0]["nodes"]:
            self._collect(root, np.eye(4), found)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def placed(self, name: str) -> np.ndarray:
        """Matrix `(4, 4)` of a node in the world."""
        found: dict[str, np.ndarray] = {}
        for root in self.description["scenes"][0]["nodes"]:
            self._places(root, np.eye(4), found)
        return found[name]

    def _places(self, index: int, parent: np.ndarray, found: dict[str, np.ndarray]) -> None:
        node = self.description["nodes"][index]
        found[node["name"]] = matrix = parent @ _matrix(node)
        for child in node.get("children", ()):
            self._places(child, matrix, found)

    def _collect(self, index: int, parent: np.ndarray, found: dict[str, list[np.ndarray]]) -> None:
        node = self.description["nodes"][index]
        matrix = parent @ _matrix(node)
        if "mesh" in node:
            for part in self.description["meshes"][node["mesh"]]["primitives"]:
                local = self.arrays[part["attributes"]["POSITION"]]
                points = local[self.arrays[part["indices"]][:, 0]] @ matrix[:3, :3].T
                found.setdefault(node["name"], []).append(points + matrix[:3, 3])
        for child in node.get("children", ()):
            self._collect(child, matrix, found)


def _chunks(content: bytes) -> tuple[bytes, bytes]:
    parts, start = [], 12
    for kind in (b"JSON", b"BIN\0"):
        length, found = struct.unpack_from("<I4s", content, start)
        assert (found, length % 4) == (kind, 0)
        parts.append(content[start + 8 : start + 8 + length])
        start += 8 + length
    assert start == len(content)
    return parts[0], parts[1]


def _matrix(node: dict[str, Any]) -> np.ndarray:
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.array(node.get("scale", (1, 1, 1)))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _extensions_in(value: object) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _extensions_in(item)}
    if not isinstance(value, dict):
        return set()
    own = set(value.get("extensions", {}))
    return own | {name for item in value.values() for name in _extensions_in(item)}
