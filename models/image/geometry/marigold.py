"""Depth and normals by Marigold: diffusion models that estimate geometry.

Source: Ke et al. 2024, "Repurposing diffusion-based image generators for monocular depth
estimation", arXiv:2312.02145.
"""

import importlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.core.assembly import assembling
from models.core.errors import ModelUnavailable

Kind = Literal["depth", "normals"]
Floats = NDArray[np.float32]

PIPELINES: dict[Kind, str] = {
    "depth": "MarigoldDepthPipeline",
    "normals": "MarigoldNormalsPipeline",
}


class Estimator:
    """One of the two models.

    Args:
        kind: What it estimates.
        folder: Checkpoint in diffusers' format, safetensors.
        device: `cpu` or `cuda`.

    Raises:
        ModelUnavailable: It cannot be loaded.
    """

    def __init__(self, kind: Kind, folder: Path, device: str) -> None:
        library: Any = importlib.import_module("diffusers")
        dtype = torch.float16 if device == "cuda" else torch.float32
        try:
            with assembling():
                self._pipeline = getattr(library, PIPELINES[kind]).from_pretrained(
                    str(folder), dtype=dtype, use_safetensors=True, local_files_only=True
                )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelUnavailable(
                f"{folder} cannot be loaded ({type(error).__name__}); check that the checkpoint "
                "is complete and has .safetensors files"
            ) from error
        self._pipeline.to(device)
        self._pipeline.set_progress_bar_config(disable=True)
        self._device, self._lock = device, threading.Lock()

    def estimate(
        self, image: Image.Image, steps: int, seed: int, check: Callable[[], None]
    ) -> Floats:
        """Depth `(H, W)`, 0 near and 1 far, or unit normals `(H, W, 3)`.

        Args:
            image: 8-bit RGB.
            steps: Of the diffusion.
            seed: Of its noise.
            check: Called before each step; may raise to stop.
        """
        with self._lock:
            hook = self._pipeline.unet.register_forward_pre_hook(lambda *_: check())
            try:
                found = self._pipeline(
                    image,
                    num_inference_steps=steps,
                    generator=torch.Generator().manual_seed(seed),
                    output_type="np",
                )
            finally:
                hook.remove()
        values = np.asarray(found.prediction[0], np.float32)
        return values[..., 0] if values.shape[-1] == 1 else values
