"""Weights as safetensors beside a manifest of their hashes; never a pickle."""

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.core.artifacts import CHUNK_BYTES
from models.core.durable import write_atomically
from models.core.errors import ModelUnavailable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

MANIFEST = "manifest.json"
SUFFIX = ".safetensors"

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def load_weights(folder: Path, name: str) -> tuple[dict[str, "torch.Tensor"], str]:
    """Load tensors whose hash is the one in the manifest.

    Args:
        folder: Holds the file and `manifest.json`.
        name: Of the file, ending in `.safetensors`.

    Returns:
        The tensors on the CPU, and the SHA-256 of the file.

    Raises:
        ModelUnavailable: The file is missing, is of another format or is not what it was.
    """
    if not name.endswith(SUFFIX):
        raise ModelUnavailable(
            f"{name!r} is not loaded: only {SUFFIX} files are, because the other formats of "
            "weights are pickles, and a pickle executes code; convert it to safetensors"
        )
    path, sha256 = _checked(folder, name)
    from safetensors import SafetensorError  # noqa: PLC0415  # these bring torch, which takes seconds
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        return load_file(path), sha256
    except (SafetensorError, OSError) as error:
        raise ModelUnavailable(f"{name} cannot be read: {error}; install it again") from error


def load_arrays(folder: Path, name: str) -> tuple[dict[str, "NDArray[np.generic]"], str]:
    """Load tensors as `load_weights` does, but as arrays: nothing brings torch.

    Returns:
        The arrays, and the SHA-256 of the file.

    Raises:
        ModelUnavailable: The file is missing, is of another format or is not what it was.
    """
    path, sha256 = _checked(folder, name)
    from safetensors import SafetensorError  # noqa: PLC0415  # few processes need it
    from safetensors.numpy import load_file  # noqa: PLC0415

    try:
        return load_file(path), sha256
    except (SafetensorError, OSError) as error:
        raise ModelUnavailable(f"{name} cannot be read: {error}; install it again") from error


def load_json(folder: Path, name: str) -> tuple[Any, str]:
    """Load a JSON file whose hash is the one in the manifest.

    Returns:
        Its value, and the SHA-256 of the file.

    Raises:
        ModelUnavailable: The file is missing, is no JSON or is not what it was.
    """
    if not name.endswith(".json"):
        raise ModelUnavailable(f"{name!r} is not loaded: expected a .json file")
    path, sha256 = _checked(folder, name)
    try:
        return json.loads(path.read_bytes()), sha256
    except ValueError as error:
        raise ModelUnavailable(f"{name} is not JSON: {error}; install it again") from error


def save_weights(
    folder: Path,
    name: str,
    tensors: "dict[str, torch.Tensor]",
    **metadata: Any,  # noqa: ANN401  # JSON
) -> str:
    """Write tensors and their line of the manifest: the same tensors give the same file.

    Args:
        folder: Made if it is absent.
        name: Of the file, ending in `.safetensors`.
        tensors: On any device.
        metadata: Kept in the manifest, such as `step=1000`; of JSON types.

    Returns:
        The SHA-256 of the file.
    """
    from safetensors.torch import save  # noqa: PLC0415  # brings torch, which takes seconds

    _check_name(name, SUFFIX)
    plain = {key: tensors[key].detach().cpu().contiguous().clone() for key in sorted(tensors)}
    return _save(folder, name, save(plain), metadata)


def save_json(folder: Path, name: str, value: Any, **metadata: Any) -> str:  # noqa: ANN401  # JSON
    """Write a JSON value and its line of the manifest; returns the SHA-256 of the file."""
    _check_name(name, ".json")
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
    return _save(folder, name, text.encode(), metadata)


def _save(folder: Path, name: str, content: bytes, metadata: dict[str, Any]) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = _read_manifest(folder) if (folder / MANIFEST).exists() else {"files": {}}
    manifest["files"][name] = {**metadata, "sha256": sha256, "bytes": len(content)}
    text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_atomically(folder / name, content)
    write_atomically(folder / MANIFEST, text.encode())
    return sha256


def _checked(folder: Path, name: str) -> tuple[Path, str]:
    entry = _read_manifest(folder)["files"].get(name)
    if entry is None or not _PLAIN_NAME.fullmatch(name):
        raise ModelUnavailable(f"{name!r} is not in {folder / MANIFEST}; train or install it first")
    path, digest = folder / name, hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}; install it again") from error
    if digest.hexdigest() != entry["sha256"] or path.stat().st_size != entry["bytes"]:
        raise ModelUnavailable(f"{path} is not the file of its manifest; install it again")
    return path, digest.hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        files = manifest["files"].values()
        if all(isinstance(f["sha256"], str) and isinstance(f["bytes"], int) for f in files):
            return dict(manifest)
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path} is missing; train or install the model first") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelUnavailable(f"{path} is no manifest ({error!r}); install it again") from error
    raise ModelUnavailable(f"{path} names no sha256 and bytes for a file; install it again")


def _check_name(name: str, suffix: str) -> None:
    if not (_PLAIN_NAME.fullmatch(name) and name.endswith(suffix) and name != MANIFEST):
        raise ValueError(f"expected a plain file name ending in {suffix}, got {name!r}")
