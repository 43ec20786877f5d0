"""Depth of pictures by an estimator of transformers, such as Depth Anything.

Source: Yang et al. 2024, "Depth Anything V2", arXiv:2406.09414.
"""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from models.core.assembly import assembling
from models.core.errors import ModelUnavailable
from models.video.nerf.arrays import Bytes, Floats

SIDE_PX: Final = 518
"""Shorter side of what the model sees, unless its `preprocessor_config.json` says otherwise."""
MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)
LEAST, MOST = 0.005, 0.995
"""Quantiles that count as the nearest and the farthest: estimates have outliers."""


class Estimator:
    """A model that says how near everything is.

    Args:
        folder: Checkpoint in transformers' format, safetensors.
        device: `cpu` or `cuda`.

    Raises:
        ModelUnavailable: It cannot be loaded.
    """

    def __init__(self, folder: Path, device: str) -> None:
        library: Any = importlib.import_module("transformers")
        try:
            with assembling():
                self._model = library.AutoModelForDepthEstimation.from_pretrained(
                    str(folder), use_safetensors=True, local_files_only=True
                )
            written = folder / "preprocessor_config.json"
            settings = json.loads(written.read_text()) if written.exists() else {}
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelUnavailable(
                f"{folder} cannot be loaded ({type(error).__name__}); check that the checkpoint "
                "is complete and has .safetensors files"
            ) from error
        self.name = folder.name
        self.metric = getattr(self._model.config, "depth_estimation_type", "relative") == "metric"
        self._model.to(device).eval()
        self._device = device
        self._patch = int(getattr(self._model.config, "patch_size", None) or 14)
        self._side = _side(settings.get("size"))
        self._mean = np.array(settings.get("image_mean", MEAN), np.float32)
        self._deviation = np.array(settings.get("image_std", DEVIATION), np.float32)

    def estimate(self, picture: Bytes, check: Callable[[], None]) -> Floats:
        """What the model says of a picture `(H, W, 3)`: `(h, w)`, as large as it sees it.

        Metres of a metric model; of others 0 to 1, even in 1 / distance, 1 being near.
        """
        check()
        height, width = picture.shape[:2]
        scale = self._side / min(height, width)
        size = tuple(max(1, round(n * scale / self._patch)) * self._patch for n in (width, height))
        small = Image.fromarray(picture).resize((size[0], size[1]), Image.Resampling.BICUBIC)
        values = (np.asarray(small, np.float32) / 255 - self._mean) / self._deviation
        pixels = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)[None]))
        with torch.inference_mode():
            found = self._model(pixel_values=pixels.to(self._device)).predicted_depth
        check()
        depth = np.asarray(found.squeeze(0).float().cpu().numpy(), np.float32)
        if self.metric:
            return np.maximum(depth, 1e-3)
        low, high = np.quantile(depth, (LEAST, MOST))
        return np.asarray(np.clip((depth - low) / max(high - low, 1e-9), 0, 1), np.float32)


def _side(size: object) -> int:
    """Of the several forms that `size` has been written in."""
    if isinstance(size, dict):
        size = size.get("shortest_edge") or size.get("height")
    return size if isinstance(size, int) and size > 0 else SIDE_PX
