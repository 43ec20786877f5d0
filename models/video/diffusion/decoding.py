"""Latents become pictures, in smaller pieces where memory does not suffice for larger ones."""

import inspect
import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.core.capability import Run
from models.core.device import is_out_of_memory
from models.core.durable import write_atomically
from models.core.errors import CapacityExceeded
from models.media.size import Size
from models.video.diffusion.families import Family
from models.video.diffusion.loading import Pipeline

WAYS: Final = ("whole", "tiled", "in small tiles", "on the processor")
"""From the fastest to the one that takes least of the GPU's memory."""
ATTEMPT: Final = "decoding"
"""File that names the way under way: one that a kill ended is not tried again."""
WHOLE_PIXELS: Final = 8_000_000
"""Most, of all frames together, that a GPU decodes at once without being asked to try."""
SMALL_TILE_PX, SMALL_STRIDE_PX = 128, 96
CHUNKS: Final = (16, 4, 1, 1)
"""Frames at a time of models whose decoder knows single pictures, by way."""
LTX_TIMESTEP, LTX_NOISE = 0.05, 0.025
"""What the decoder of LTX-Video 0.9.1 and later expects to be left, from its model card."""

logger = logging.getLogger(__name__)


def decode(
    pipeline: Pipeline,
    family: Family,
    latents: torch.Tensor,
    native: Size,
    frames: int,
    seed: int,
    folder: Path,
    run: Run,
) -> tuple[NDArray[np.uint8], str]:
    """The pictures `(frames, H, W, 3)`, and the way that worked.

    Raises:
        CapacityExceeded: Memory does not suffice, however small the pieces.
    """
    note = folder / ATTEMPT
    on_gpu = pipeline.vae.device.type == "cuda"
    last = len(WAYS) if on_gpu else len(WAYS) - 1
    first = 1 if on_gpu and native.pixels * frames > WHOLE_PIXELS else 0
    if note.exists():
        first = min(last - 1, max(first, int(note.read_text()) + 1))
    for way in range(first, last):
        run.check()
        write_atomically(note, str(way).encode())
        try:
            video = _decoded(pipeline, family, latents, native, frames, seed, way)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                note.unlink()
                raise
            logger.warning("memory ran out while decoding", extra={"way": WAYS[way]})
        else:
            note.unlink()
            return _pictures(video)[:frames], WAYS[way]
        if on_gpu:
            torch.cuda.empty_cache()
    note.unlink()
    raise CapacityExceeded(
        "memory ran out while frames were decoded; what was computed is kept: ask for the same "
        "again when the device is free, or for fewer or smaller frames",
        60.0,
    )


@torch.inference_mode()
def _decoded(
    pipeline: Pipeline,
    family: Family,
    latents: torch.Tensor,
    native: Size,
    frames: int,
    seed: int,
    way: int,
) -> torch.Tensor:
    """`(1, 3, T, H, W)` in -1 to 1, the decoder left as it was."""
    vae = pipeline.vae
    home, kind = vae.device, vae.dtype
    _tile(vae, way)
    try:
        if WAYS[way] == "on the processor":
            vae.to("cpu", torch.float32)
        z = latents.to(vae.device, vae.dtype)
        if family.name == "wan":
            return _wan(vae, z)
        if family.name == "ltx":
            return _ltx(pipeline, z, native, frames, seed)
        if family.name == "cogvideox":
            # Frames before the first, which fill up the patches of CogVideoX 1.5.
            kept = (frames - 1) // pipeline.vae_scale_factor_temporal + 1
            made: torch.Tensor = pipeline.decode_latents(z[:, z.shape[1] - kept :])
            return made
        chunk = CHUNKS[way]
        if family.name == "svd":
            made = pipeline.decode_latents(z, z.shape[1], chunk)
        else:
            made = pipeline.decode_latents(z, chunk)
        return made
    finally:
        vae.to(home, kind)
        if hasattr(vae, "disable_tiling"):
            vae.disable_tiling()


def _tile(vae: Any, way: int) -> None:  # noqa: ANN401  # decoders share no base class
    """Decode in tiles, where the decoder can; their size is in pixels of the picture."""
    if way == 0 or not hasattr(vae, "use_tiling"):
        return
    takes = inspect.signature(vae.enable_tiling).parameters
    small = {
        "tile_sample_min_height": SMALL_TILE_PX,
        "tile_sample_min_width": SMALL_TILE_PX,
        "tile_sample_stride_height": SMALL_STRIDE_PX,
        "tile_sample_stride_width": SMALL_STRIDE_PX,
    }
    chosen = small if way > 1 else {}
    vae.enable_tiling(**{name: value for name, value in chosen.items() if name in takes})


def _wan(vae: Any, z: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    def of_channels(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, device=z.device, dtype=z.dtype).view(1, -1, 1, 1, 1)

    scaled = z * of_channels(vae.config.latents_std) + of_channels(vae.config.latents_mean)
    made: torch.Tensor = vae.decode(scaled, return_dict=False)[0]
    return made


def _ltx(pipeline: Pipeline, z: torch.Tensor, native: Size, frames: int, seed: int) -> torch.Tensor:
    vae = pipeline.vae
    across = pipeline.vae_spatial_compression_ratio
    unpacked = pipeline._unpack_latents(  # noqa: SLF001  # there is no public way
        z,
        (frames - 1) // pipeline.vae_temporal_compression_ratio + 1,
        native.height // across,
        native.width // across,
        pipeline.transformer_spatial_patch_size,
        pipeline.transformer_temporal_patch_size,
    )
    scaled = pipeline._denormalize_latents(  # noqa: SLF001  # the same
        unpacked, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
    ).to(z.dtype)
    timestep = None
    if vae.config.timestep_conditioning:
        generator = torch.Generator("cpu").manual_seed(seed)
        noise = torch.randn(scaled.shape, generator=generator).to(scaled)
        scaled = (1 - LTX_NOISE) * scaled + LTX_NOISE * noise
        timestep = torch.tensor([LTX_TIMESTEP], device=scaled.device, dtype=scaled.dtype)
    made: torch.Tensor = vae.decode(scaled, timestep, return_dict=False)[0]
    return made


def _pictures(video: torch.Tensor) -> NDArray[np.uint8]:
    """Frame by frame: as floats the whole clip would take four times the room, twice."""
    frames = [
        ((frame.float() / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu()
        for frame in video[0].unbind(1)
    ]
    return np.stack([np.asarray(frame) for frame in frames])
