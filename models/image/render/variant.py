"""Which tracing back end works on this machine."""

import glob
import hashlib
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Literal

Variant = Literal["cuda_ad_rgb", "llvm_ad_rgb", "scalar_rgb"]

PROBE_TIMEOUT_S = 60
LIBRARY_VARIABLE = "DRJIT_LIBLLVM_PATH"
PLACES = (
    "/usr/lib/*-linux-gnu/libLLVM*.so*",
    "/usr/lib/llvm-*/lib/libLLVM*.so*",
    "/usr/lib64/libLLVM*.so*",
    "/usr/local/lib/libLLVM*.so*",
    "/opt/homebrew/opt/llvm/lib/libLLVM*.dylib",
    "/usr/local/opt/llvm/lib/libLLVM*.dylib",
)
OLDEST_MAJOR = 16
PROBE = """
import sys
sys.path[:] = {path!r}
import mitsuba as mi
mi.set_variant({variant!r})
picture = mi.render(mi.load_dict(mi.cornell_box()), spp=1)
assert float(picture.array[0]) >= 0
"""


def gpu_renders() -> bool:
    """Whether the CUDA back end draws a picture here, tried in a child process."""
    return _renders("cuda_ad_rgb", {})


def find_library(chosen: str | None, cache_dir: Path | None = None) -> str | None:
    """Path of a libLLVM that renders, or `None`.

    A library that does not fit this processor aborts its process rather than raising, so each
    candidate renders in a child process first, the newest one before the others.

    Args:
        chosen: The only candidate, where given.
        cache_dir: Remembers which library rendered, since trying takes seconds.
    """
    candidates = [chosen] if chosen else _installed()
    return next((library for library in candidates if _proven(library, cache_dir)), None)


def _proven(library: str, cache_dir: Path | None) -> bool:
    """Whether the library rendered before, or else does now; a failure may pass, so is not kept."""
    if cache_dir is None or not Path(library).is_file():
        return _renders("llvm_ad_rgb", {LIBRARY_VARIABLE: library})
    stamp = f"{library} {Path(library).stat().st_mtime_ns} {version('mitsuba')}"
    proof = cache_dir / f"libllvm-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}"
    if not proof.exists():
        if not _renders("llvm_ad_rgb", {LIBRARY_VARIABLE: library}):
            return False
        proof.write_text(stamp)
    return True


def _installed() -> list[str]:
    found = {str(Path(match).resolve()) for place in PLACES for match in glob.glob(place)}  # noqa: PTH207  # absolute patterns
    versions = [(_major(library), library) for library in found]
    return [
        library for major, library in sorted(versions, reverse=True) if not 0 < major < OLDEST_MAJOR
    ]


def _major(library: str) -> int:
    """Version in the file's name; 0 where it states none."""
    numbers = re.findall(r"\d+", Path(library).name)
    return int(numbers[0]) if numbers else 0


def _renders(variant: Variant, environment: dict[str, str]) -> bool:
    command = [sys.executable, "-c", PROBE.format(path=sys.path, variant=variant)]
    environment = {**child_environment(), **environment}
    try:
        child = subprocess.run(  # noqa: S603  # our own interpreter and a constant programme
            command, env=environment, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return child.returncode == 0


def child_environment() -> dict[str, str]:
    """What a child process inherits."""
    return dict(os.environ)  # noqa: TID251  # handed on unread


def announce_library(library: str) -> None:
    """Tell DrJit where libLLVM is; it looks only here, and only while it is imported."""
    os.environ[LIBRARY_VARIABLE] = library  # noqa: TID251  # the library has no other interface
