"""Words or a picture become latents: the long part, step by step."""

import importlib
import inspect
from typing import Any

import torch
from PIL import Image, ImageOps

from models.core.capability import Run
from models.core.device import out_of_memory
from models.core.errors import InvalidInput
from models.media.size import Size
from models.video.diffusion.loading import Pipeline
from models.video.schema import VideoRequest

DENOISED = 0.85
"""Share of the model's work that the steps are; the rest is decoding."""


@torch.inference_mode()
def denoise(
    pipeline: Pipeline,
    request: VideoRequest,
    image: Image.Image | None,
    native: Size,
    frames: int,
    fps: float,
    seed: int,
    run: Run,
) -> torch.Tensor:
    """The latents of a clip, as the pipeline has them before it decodes.

    Raises:
        Cancelled: The caller left; a step is finished first.
        CapacityExceeded: Memory ran out.
        InvalidInput: The pipeline refuses what is asked.
    """
    takes = inspect.signature(type(pipeline).__call__).parameters
    steps = request.steps or takes["num_inference_steps"].default

    def follow(_pipe: Any, step: int, _time: Any, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        run.check()
        share = min(1.0, (step + 1) / steps)
        run.progress(DENOISED * share, f"step {min(step + 1, steps)} of {steps}")
        return state

    wished = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or None,
        "image": None if image is None else ImageOps.fit(image, native),
        "width": native.width,
        "height": native.height,
        "num_frames": frames,
        "num_inference_steps": steps,
        "guidance_scale": request.guidance,
        "max_guidance_scale": request.guidance,
        "fps": int(fps),
        "frame_rate": int(fps),
        "generator": torch.Generator("cpu").manual_seed(seed),
        "output_type": "latent",
        "callback_on_step_end": follow,
    }
    if type(pipeline).__name__ == "WanImageToVideoPipeline":
        wished |= _words_of_wan(pipeline, request)
    known = {name: value for name, value in wished.items() if name in takes and value is not None}
    run.check()
    try:
        with out_of_memory("ask for fewer or smaller frames"):
            made: torch.Tensor = pipeline(**known).frames
    except ValueError as error:  # how pipelines refuse what they are asked for
        raise InvalidInput(f"the model's pipeline refuses this: {error}") from error
    return made


def _words_of_wan(pipeline: Pipeline, request: VideoRequest) -> dict[str, Any]:
    """The words as the pipeline for text encodes them: that for pictures wants ftfy installed."""
    library: Any = importlib.import_module("diffusers")
    words = library.WanPipeline(
        tokenizer=pipeline.tokenizer,
        text_encoder=pipeline.text_encoder,
        vae=pipeline.vae,
        scheduler=pipeline.scheduler,
    )
    wanted, unwanted = words.encode_prompt(request.prompt, request.negative_prompt)
    return {
        "prompt": None,
        "negative_prompt": None,
        "prompt_embeds": wanted,
        "negative_prompt_embeds": unwanted,
    }
