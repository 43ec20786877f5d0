"""The trained network as arrays."""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from models.core.weights import load_arrays
from models.media.enlarging.arrays import Net, lanczos_taps
from models.media.formats import UPSCALERS

FOLDER: Final = Path(__file__).parent / "weights"
FILE: Final = "luma_2x.safetensors"
VERSION: Final = UPSCALERS["learned"]


@cache
def trained() -> Net:
    """The network that is shipped.

    Raises:
        ModelUnavailable: Its weights are missing, or are not what they were.
    """
    return net_in(FOLDER)


def net_in(folder: Path) -> Net:
    """The network whose weights lie in a folder."""
    found, _ = load_arrays(folder, FILE)
    depth = sum(name.startswith("hidden.") and name.endswith(".bias") for name in found) - 1
    plain = {name: np.asarray(value, np.float32) for name, value in found.items()}
    taps = {
        name: value.reshape(*value.shape[:2], 9) for name, value in plain.items() if value.ndim == 4
    }
    return Net(
        taps["hidden.0.weight"],
        plain["hidden.0.bias"],
        np.stack([taps[f"hidden.{k + 1}.weight"] for k in range(depth)]),
        np.stack([plain[f"hidden.{k + 1}.bias"] for k in range(depth)]),
        taps["last.weight"],
        plain["last.bias"],
        lanczos_taps(),
    )
