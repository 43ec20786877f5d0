"""Which checkpoints there are: folders of this machine and the hub's cache; reads no weights."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from huggingface_hub.constants import HF_HUB_CACHE

from models.image.diffusion.layouts import LAYOUTS, Layout
from models.image.options import DiffusersOptions

INDEX = "model_index.json"
WEIGHTS = "*/*.safetensors"


@dataclass(frozen=True)
class Found:
    """A checkpoint that can be asked for.

    Attributes:
        name: Of its folder, or its id on the hub.
        folder: Where it lies; none if it has to be fetched first, or is absent.
        layout: Its family, if the step engine drives it.
        version: Changes when a file is replaced.
        problem: Why it cannot be used and what to do about it.
    """

    name: str
    folder: Path | None = None
    layout: Layout | None = None
    version: str = "unknown"
    problem: str | None = None


class Shelf:
    """Looks for checkpoints where the options say."""

    def __init__(self, options: DiffusersOptions) -> None:
        self._options = options

    def __iter__(self) -> Iterator[Found]:
        if self._options.checkpoints is not None:
            folder = self._options.checkpoints.expanduser()
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if (path / INDEX).is_file():
                    yield _described(path.name, path)
        for name in self._options.hub:
            yield self._of_hub(name)

    def find(self, name: str | None) -> Found | None:
        """The checkpoint of this name; without one the first that can be used."""
        for found in self:
            if found.name == name or (name is None and found.problem is None):
                return found
        return None

    def _of_hub(self, name: str) -> Found:
        folder = _cached(name)
        if folder is not None:
            return _described(name, folder)
        if self._options.download:
            return Found(name, version="not fetched yet")
        return Found(
            name,
            problem=f"it is not on this machine: run `hf download {name}`, or set "
            "options.image.diffusers.download",
        )


def weights_bytes(found: Found) -> int:
    """Size of the files of a checkpoint's weights; 0 while they are not on this machine."""
    files = () if found.folder is None else found.folder.glob(WEIGHTS)
    return sum(path.stat().st_size for path in files)


def _cached(name: str) -> Path | None:
    """The snapshot that a download of the hub left; its library's own search takes longer."""
    kept = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    try:
        folder = kept / "snapshots" / (kept / "refs" / "main").read_text().strip()
    except OSError:
        return None
    return folder if (folder / INDEX).is_file() else None


def _described(name: str, folder: Path) -> Found:
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_bytes())
        kind = str(index["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Found(name, folder, problem=f"its {INDEX} cannot be read ({type(error).__name__})")
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        return Found(
            name,
            folder,
            problem="it has no .safetensors files; other formats of weights are pickles, which "
            "execute code, and are not loaded: convert it",
        )
    layout = None if _distilled(folder) else LAYOUTS.get(kind)
    return Found(name, folder, layout, _version(folder, files))


def _distilled(folder: Path) -> bool:
    """Whether the network is told the guidance, which the step engine knows nothing of."""
    try:
        config = json.loads((folder / "unet" / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return config.get("time_cond_proj_dim") is not None


def _version(folder: Path, files: list[Path]) -> str:
    """Names, sizes and times: the bytes are gigabytes, and this is asked for often."""
    digest = sha256()
    for path in [folder / INDEX, *files]:
        state = os.stat(path)  # noqa: PTH116  # follows the links of the hub's cache, once
        line = f"{path.relative_to(folder)} {state.st_size} {state.st_mtime_ns}\n"
        digest.update(line.encode())
    return digest.hexdigest()[:16]
