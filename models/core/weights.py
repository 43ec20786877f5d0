"""Weights on disk: safetensors beside a manifest that pins every byte."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from models.core.errors import ModelUnavailable

if TYPE_CHECKING:
    import torch

MANIFEST = "manifest.json"


def load_weights(folder: Path, name: str) -> "tuple[dict[str, torch.Tensor], str]":
    """Read `name.safetensors` after checking it against the folder's manifest.

    Returns:
        The tensors and the SHA-256 of their file.

    Raises:
        ModelUnavailable: The manifest or the file is missing, or the file is not the one pinned.
    """
    from safetensors.torch import load  # noqa: PLC0415  # torch takes a second to import

    filename = f"{name}.safetensors"
    try:
        pinned = json.loads((folder / MANIFEST).read_text())["files"][filename]["sha256"]
        content = (folder / filename).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"no usable weights {filename!r} in {folder}: restore the folder or train it anew"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != pinned:
        raise ModelUnavailable(
            f"{filename} has SHA-256 {found}, the manifest pins {pinned}: restore the file"
        )
    return load(content), found


def save_weights(
    folder: Path, name: str, tensors: "dict[str, torch.Tensor]", **metadata: object
) -> str:
    """Write `name.safetensors` and enter it into the folder's manifest; returns its SHA-256."""
    from safetensors.torch import save  # noqa: PLC0415  # torch takes a second to import

    folder.mkdir(parents=True, exist_ok=True)
    content = save({key: value.contiguous() for key, value in tensors.items()})
    (folder / f"{name}.safetensors").write_bytes(content)
    path = folder / MANIFEST
    manifest = json.loads(path.read_text()) if path.exists() else {"files": {}}
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"][f"{name}.safetensors"] = {"sha256": digest, "bytes": len(content), **metadata}
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return digest
