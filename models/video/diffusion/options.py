"""The engine's settings, `args.options.video.diffusion` of the configuration."""

from pathlib import Path
from typing import Literal

from models.core.value import Value


class DiffusionOptions(Value):
    """Checkpoints of video models and how they are run.

    Attributes:
        checkpoints: Folder that holds a folder in diffusers' format for each checkpoint.
        dtype: `auto` is each family's own half precision on a GPU, single on a processor.
    """

    checkpoints: Path | None = None
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
