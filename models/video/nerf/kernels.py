"""Compiling functions once per machine, and again whenever any of them changes."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

from models.video.nerf.arrays import Kernel

SOURCES = (
    "nerf/arrays", "nerf/optics", "nerf/march", "nerf/learn", "nerf/plain", "nerf/swift",
    "nerf/lanes", "nerf/over", "nerf/carve", "layers/arrays", "layers/draw", "layers/peel",
)  # fmt: skip

config: Any = numba.config
"""numba's settings, whose names it makes up at run time."""


def piece(function: Callable[..., object]) -> Kernel:
    """Compile a function that kernels call; it runs without Python's lock, as they do."""
    return numba.njit(fastmath=True, nogil=True)(function)


def kernel(function: Callable[..., object]) -> Kernel:
    """Compile a function that Python calls, and keep the code on disk.

    numba forgets kept code when the file of the function changes, not when a file changes whose
    functions it calls. So the folder's name is a digest of all sources; it is read while the
    function is decorated, and nobody else's functions see it.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = _folder()
    try:
        return numba.njit(fastmath=True, nogil=True, cache=True)(function)
    finally:
        config.CACHE_DIR = before


@cache
def _folder() -> str:
    here = Path(__file__).parent
    sources = b"".join((here.parent / f"{name}.py").read_bytes() for name in SOURCES)
    digest = hashlib.sha256(sources + numba.__version__.encode()).hexdigest()[:16]
    # Kept code is trusted, so it is kept where nobody else can put any.
    homes = (here / "__pycache__", Path.home() / ".cache" / "orrery")
    for home in homes:
        folder = home / f"kernels-{digest}"
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return str(folder)
    return tempfile.mkdtemp(prefix="orrery-kernels-")
