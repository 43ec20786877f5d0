"""What a benchmark ran on."""

import json
import os
import platform
from pathlib import Path


def machine() -> dict[str, str | int]:
    """Cores and processor, to stand beside every figure."""
    return {"cores": len(os.sched_getaffinity(0)), "cpu": _processor()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def report(figures: dict[str, object]) -> None:
    """Print the one line that a benchmark ends with."""
    print(json.dumps({**figures, **machine()}))
