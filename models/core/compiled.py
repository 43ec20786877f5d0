"""Functions compiled once per machine, and again whenever their sources change.

Importing this brings numba, which takes a moment: only what computes does.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

Compiled = Callable[..., Any]
"""What a compiled function is to its callers."""

config: Any = numba.config
"""numba's settings, whose names it makes up at run time."""


def piece(function: Callable[..., object]) -> Compiled:
    """Compile a function that kernels call; it runs without Python's lock, as they do."""
    made: Compiled = numba.njit(fastmath=True, nogil=True)(function)
    return made


def kernels_of(package: Path, sources: tuple[str, ...]) -> Callable[[Compiled], Compiled]:
    """A decorator that compiles functions that Python calls, and keeps their code on disk.

    numba forgets kept code when the file of the function changes, not when a file changes whose
    functions it calls. So the folder's name is a digest of all sources; it is read while the
    function is decorated, and nobody else's functions see it.

    Args:
        package: Folder of the sources.
        sources: Names of the files without their ending: all that kernels call functions of.
    """

    def kernel(function: Compiled) -> Compiled:
        before = config.CACHE_DIR
        config.CACHE_DIR = _folder(package, sources)
        try:
            made: Compiled = numba.njit(fastmath=True, nogil=True, cache=True)(function)
        finally:
            config.CACHE_DIR = before
        return made

    return kernel


@cache
def _folder(package: Path, sources: tuple[str, ...]) -> str:
    text = b"".join((package / f"{name}.py").read_bytes() for name in sources)
    digest = hashlib.sha256(text + numba.__version__.encode()).hexdigest()[:16]
    # Kept code is trusted, so it is kept where nobody else can put any.
    homes = (package / "__pycache__", Path.home() / ".cache" / "orrery")
    for home in homes:
        folder = home / f"kernels-{digest}"
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return str(folder)
    return tempfile.mkdtemp(prefix="orrery-kernels-")
