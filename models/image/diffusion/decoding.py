"""From latents to pixels, as the stock pipelines do it."""

import torch
from PIL import Image

from models.core.device import is_out_of_memory, out_of_memory
from models.image.diffusion.layouts import Pipeline

TILED_FROM_PX = 1536 * 1536
"""Larger pictures are decoded in tiles: the decoder takes more memory than the steps do."""
PREVIEW_SIDE = 64
"""Latents of previews are shrunk to at most so many a side: a sixteenth of the work or less."""


class Decoder:
    """The decoder of one checkpoint; used by one thread at a time.

    Args:
        pipeline: Of diffusers.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipe, self._vae = pipeline, pipeline.vae

    @torch.inference_mode()
    def picture(self, latents: torch.Tensor) -> Image.Image:
        """The picture of the finished latents `(1, C, h, w)`.

        Raises:
            CapacityExceeded: Not even tile by tile is there memory enough.
        """
        factor = self._pipe.vae_scale_factor
        area_px = latents.shape[-1] * latents.shape[-2] * factor**2
        with out_of_memory("ask for a smaller size"):
            try:
                return self._decoded(latents, tiled=area_px > TILED_FROM_PX)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return self._decoded(latents, tiled=True)

    @torch.inference_mode()
    def preview(self, latents: torch.Tensor) -> Image.Image:
        """A small picture of unfinished latents."""
        longest = max(latents.shape[-2:])
        if longest > PREVIEW_SIDE:
            side = [max(8, round(n * PREVIEW_SIDE / longest)) for n in latents.shape[-2:]]
            latents = torch.nn.functional.interpolate(latents.float(), side, mode="area").to(
                latents.dtype
            )
        return self._decoded(latents, tiled=False)

    def _decoded(self, latents: torch.Tensor, *, tiled: bool) -> Image.Image:
        vae = self._vae
        vae.enable_tiling() if tiled else vae.disable_tiling()
        # The decoder of SDXL overflows in half precision, and says so in its configuration.
        upcast = vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
        if upcast:
            vae.to(dtype=torch.float32)
        try:
            latents = latents.to(vae.dtype)
            image = vae.decode(self._unscaled(latents), return_dict=False)[0]
        finally:
            if upcast:
                vae.to(dtype=torch.float16)
        pictures: list[Image.Image] = self._pipe.image_processor.postprocess(
            image, output_type="pil"
        )
        return pictures[0]

    def _unscaled(self, latents: torch.Tensor) -> torch.Tensor:
        config = self._vae.config
        mean, deviation = (
            getattr(config, "latents_mean", None),
            getattr(config, "latents_std", None),
        )
        scale = float(config.scaling_factor)
        if mean is None or deviation is None:
            return latents / scale
        middle, spread = (
            torch.tensor(values).view(1, -1, 1, 1).to(latents) for values in (mean, deviation)
        )
        return latents * spread / scale + middle
