"""A GLB file under construction: a JSON description and one buffer (glTF 2.0)."""

import json
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = 0x46546C67
VERSION: Final = 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
ALIGNMENT: Final = 4
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
FLOAT, UNSIGNED_INT = 5126, 5125
_TYPES: Final = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}

Index = int
"""Place in one of the description's lists."""


class Gltf:
    """Collects nodes, meshes and arrays, and writes them as one file."""

    def __init__(self, generator: str) -> None:
        self._lists: dict[str, list[dict[str, Any]]] = {}
        self._asset: dict[str, Any] = {"version": "2.0", "generator": generator}
        self._extensions: dict[str, Any] = {}
        self._used: set[str] = set()
        self._binary = bytearray()
        self._roots: list[Index] = []

    def add(self, kind: str, **members: Any) -> Index:  # noqa: ANN401  # JSON
        """Append to a list such as `nodes`; gives the place."""
        for name in members.get("extensions", ()):
            self._used.add(name)
        entries = self._lists.setdefault(kind, [])
        entries.append(members)
        return len(entries) - 1

    def root(self, node: Index) -> None:
        """Let a node stand in the scene itself."""
        self._roots.append(node)

    def extension(self, name: str, **members: Any) -> None:  # noqa: ANN401  # JSON
        """Data of an extension of the whole file."""
        self._used.add(name)
        self._extensions[name] = members

    def credit(self, packet: dict[str, Any]) -> None:
        """Let the file carry an XMP packet (KHR_xmp_json_ld)."""
        self.extension("KHR_xmp_json_ld", packets=[packet])
        self._asset["extensions"] = {"KHR_xmp_json_ld": {"packet": 0}}

    def array(self, values: NDArray[Any], target: int | None = None) -> Index:
        """An accessor of numbers: `(N,)` or `(N, C)`, floats or indices."""
        is_index = np.issubdtype(values.dtype, np.integer)
        data = np.ascontiguousarray(values, np.uint32 if is_index else np.float32)
        columns = data.reshape(len(data), -1)
        view: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": len(self._binary),
            "byteLength": data.nbytes,
        }
        if target is not None:
            view["target"] = target
        self._binary += data.tobytes()  # a multiple of the alignment: all numbers have 4 bytes
        return self.add(
            "accessors",
            bufferView=self.add("bufferViews", **view),
            componentType=UNSIGNED_INT if is_index else FLOAT,
            count=len(data),
            type=_TYPES[columns.shape[1]],
            min=columns.min(0).tolist(),
            max=columns.max(0).tolist(),
        )

    def content(self) -> bytes:
        """The file."""
        description: dict[str, Any] = {
            "asset": self._asset,
            "scene": 0,
            "scenes": [{"nodes": self._roots}],
            "buffers": [{"byteLength": len(self._binary)}],
            **self._lists,
        }
        if self._extensions:
            description["extensions"] = self._extensions
        if self._used:
            description["extensionsUsed"] = sorted(self._used)
        text = json.dumps(description, separators=(",", ":"), allow_nan=False).encode()
        parts = _chunk(JSON_CHUNK, text, b" ") + _chunk(BINARY_CHUNK, bytes(self._binary), b"\0")
        return struct.pack("<III", MAGIC, VERSION, 12 + len(parts)) + parts


def _chunk(kind: int, data: bytes, filler: bytes) -> bytes:
    padded = data + filler * (-len(data) % ALIGNMENT)
    return struct.pack("<II", len(padded), kind) + padded
