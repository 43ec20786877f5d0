"""Which checkpoints there are; reads no weights."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from models.video.diffusion.families import CLASSES, Family, family_of
from models.video.diffusion.options import DiffusionOptions

INDEX: Final = "model_index.json"
PICKLES: Final = (
    "it has no .safetensors files; other formats of weights are pickles, which execute code, and "
    "are not loaded: convert it"
)


@dataclass(frozen=True)
class Found:
    """A checkpoint in the folder.

    Attributes:
        name: Of its own folder.
        folder: Where it lies.
        family: How it is run; none if it cannot be.
        version: Changes when a file is replaced.
        problem: Why it cannot be used and what to do about it.
    """

    name: str
    folder: Path
    family: Family | None = None
    version: str = "unknown"
    problem: str | None = None


class Shelf:
    """Looks for checkpoints where the options say."""

    def __init__(self, options: DiffusionOptions) -> None:
        self._folder = options.checkpoints

    def __iter__(self) -> Iterator[Found]:
        folder = None if self._folder is None else self._folder.expanduser()
        if folder is None or not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if (path / INDEX).is_file():
                yield _described(path)

    def find(self, name: str | None) -> Found | None:
        """The checkpoint of this name; without one the first that can be used."""
        for found in self:
            if found.name == name or (name is None and found.problem is None):
                return found
        return None


def _described(folder: Path) -> Found:
    name = folder.name
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_bytes())
        family = family_of(folder, index)
    except (OSError, ValueError, AttributeError) as error:
        problem = f"its configuration cannot be read ({type(error).__name__})"
        return Found(name, folder, problem=problem)
    if family is None:
        problem = f"it is none of {', '.join(CLASSES)}"
        return Found(name, folder, problem=problem)
    files = sorted(folder.glob("*/*.safetensors"))
    if not files:
        return Found(name, folder, problem=PICKLES)
    return Found(name, folder, family, _version(folder, files))


def _version(folder: Path, files: list[Path]) -> str:
    """Names, sizes and times: the bytes are gigabytes, and this is asked for often."""
    digest = sha256()
    for path in [folder / INDEX, *files]:
        state = path.stat()
        line = f"{path.relative_to(folder)} {state.st_size} {state.st_mtime_ns}\n"
        digest.update(line.encode())
    return digest.hexdigest()[:16]
