"""How full the machine of this process is."""

from pathlib import Path
from typing import Any

import psutil
import ray

from models.scaling.record import NodeLoad

ID_DIGITS = 12  # of Ray's node id: as a number it still fits a double exactly


def measure_node(folder: Path) -> NodeLoad:
    """CPU since the last call, memory, and the disk of a folder.

    Raises:
        OSError: The folder is gone.
    """
    return NodeLoad(
        name=node_name(),
        cpu=_share(psutil.cpu_percent()),
        memory=_share(psutil.virtual_memory().percent),
        disk=_share(psutil.disk_usage(str(folder)).percent),
    )


def _share(percent: float) -> float:
    """Rounded for people: a hundredth of a decimal number rarely is one."""
    return round(percent / 100, 4)


def node_name() -> str:
    """First digits of Ray's id of this node."""
    context: Any = ray.get_runtime_context()
    return str(context.get_node_id())[:ID_DIGITS]


def name_as_number(name: str) -> float:
    """A node's name for a channel that carries numbers alone."""
    return float(int(name, 16))


def number_as_name(number: float) -> str:
    """The name again."""
    return f"{int(number):0{ID_DIGITS}x}"
