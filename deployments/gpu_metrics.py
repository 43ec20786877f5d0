"""How busy and how full the GPUs of this machine are, as NVIDIA's driver says."""

import shutil
import subprocess
from dataclasses import dataclass

QUERY = "utilization.gpu,memory.used,memory.total"
ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """The GPUs of a machine together, each as a share from 0 to 1.

    Attributes:
        busy: Share of the last moments in which a kernel ran, mean over the GPUs.
        memory: Share of their memory that is taken, by anyone.
    """

    busy: float
    memory: float


def measure_gpus() -> GpuLoad | None:
    """The load now; `None` without NVIDIA's `nvidia-smi`, or where it does not answer."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(  # noqa: S603 - no part of it comes from outside
            command, capture_output=True, text=True, timeout=ANSWER_S, check=True
        )
        return read_gpus(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def read_gpus(text: str) -> GpuLoad | None:
    """The answer of `nvidia-smi`: a line a GPU, per cent and MiB; `None` if there is no GPU.

    Raises:
        ValueError: A figure is none, such as `[N/A]` for a part of a divided GPU.
    """
    rows = [[float(cell) for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    if not rows:
        return None
    busy, used, total = (sum(column) for column in zip(*rows, strict=True))
    return GpuLoad(round(busy / 100 / len(rows), 4), round(used / total, 4))
