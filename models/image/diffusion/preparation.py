"""From a wish to what the step engine runs, by the stock pipelines' own methods.

Every random number is drawn from the request's generator in the order in which the stock pipeline
draws it, so that a request alone in the engine gives the stock pipeline's bytes.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image

from models.core.errors import InvalidInput
from models.image.diffusion.adapters import AdaptedNetwork, Adapters
from models.image.diffusion.layouts import SDXL, Layout, Pipeline, diffusers, own_scheduler
from models.image.diffusion.running import Conditioning, Kept, Running
from models.image.schema import SchedulerName

GUIDANCE_OFF = 1.0
"""Guidance up to this scale would change nothing, and costs a second row."""
AESTHETIC_SCORES = (6.0, 2.5)
"""What SDXL's pipelines tell checkpoints that were trained on such scores: wanted, unwanted."""


@dataclass(frozen=True)
class Wish:
    """What is to be drawn.

    Attributes:
        prompt: In words.
        negative_prompt: What should not be there.
        width_px: A multiple of the checkpoint's factor, as `height_px`.
        height_px: See `width_px`.
        steps: Of the scheduler.
        guidance: Scale of classifier-free guidance.
        scheduler: The checkpoint's own if absent.
        image: RGB picture to start from.
        mask: Grey picture, white where `image` is painted anew.
        strength: How far to leave `image`, 0-1.
    """

    prompt: str
    negative_prompt: str = ""
    width_px: int = 512
    height_px: int = 512
    steps: int = 30
    guidance: float = 5.0
    scheduler: SchedulerName | None = None
    image: Image.Image | None = None
    mask: Image.Image | None = None
    strength: float = 0.8

    @property
    def guided(self) -> bool:
        """Whether the network is asked without the prompt as well."""
        return self.guidance > GUIDANCE_OFF


@dataclass(frozen=True)
class _Text:
    states: torch.Tensor  # (R, T, D)
    pooled: torch.Tensor | None  # (R, P), SDXL only


class Preparation:
    """Prepares requests for one checkpoint.

    Args:
        pipeline: Its text-to-image pipeline.
        layout: The family that it belongs to.
        device: Where the network is.
        encoders: Its text encoders by name, for adapters that change them.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        layout: Layout,
        device: str,
        encoders: Mapping[str, AdaptedNetwork] = MappingProxyType({}),
    ) -> None:
        self._encoders = dict(encoders)
        self._base, self._layout, self._device = pipeline, layout, torch.device(device)
        self._takes_mask = pipeline.unet.config.in_channels != pipeline.vae.config.latent_channels

    @torch.inference_mode()
    def text(self, wish: Wish, adapters: Adapters | None = None) -> "_Text":
        """States of the prompts; pictures of one request share them."""
        with ExitStack() as adapted:
            for name, learned in ({} if adapters is None else adapters.text).items():
                # Prompts are read one at a time: each is the one row of its forward.
                adapted.enter_context(self._encoders[name].adapted([learned]))
            states = self._base.encode_prompt(
                prompt=wish.prompt,
                device=self._device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=wish.guided,
                negative_prompt=wish.negative_prompt or None,
            )
        prompt, negative = states[0], states[1]
        joined = torch.cat([negative, prompt]) if wish.guided else prompt
        if self._layout is not SDXL:
            return _Text(joined, None)
        pooled, negative_pooled = states[2], states[3]
        return _Text(joined, torch.cat([negative_pooled, pooled]) if wish.guided else pooled)

    @torch.inference_mode()
    def running(self, wish: Wish, text: "_Text", seed: int) -> Running:
        """One picture, ready for its first step.

        Raises:
            InvalidInput: The size, the steps or the checkpoint do not allow it.
        """
        self._check(wish)
        scheduler = own_scheduler(self._base.scheduler, wish.scheduler)
        generator = torch.Generator("cpu").manual_seed(seed)
        scheduler.set_timesteps(wish.steps)  # kept on the CPU: reading them must not wait for a GPU
        pipe = self._own_pipeline(wish, scheduler)
        if wish.image is None:
            prepared = self._from_noise(pipe, wish, text, generator)
        elif wish.mask is None:
            image = wish.image.resize((wish.width_px, wish.height_px))
            prepared = self._from_image(pipe, wish, text, generator, image)
        else:
            prepared = self._around_mask(pipe, wish, text, generator)
        return Running(
            conditioning=Conditioning(text.states, self._added(pipe, wish, text)),
            scheduler=scheduler,
            timesteps=prepared.timesteps,
            latents=prepared.latents,
            guidance=wish.guidance,
            step_options=pipe.prepare_extra_step_kwargs(generator, 0.0),
            channels=prepared.channels,
            kept=prepared.kept,
        )

    def _check(self, wish: Wish) -> None:
        factor = self._base.vae_scale_factor
        if wish.width_px % factor or wish.height_px % factor:
            raise InvalidInput(
                f"the sides of the size must be multiples of {factor} for this model"
            )
        if self._takes_mask and wish.mask is None:
            raise InvalidInput("this model was trained to inpaint: give an image and a mask")
        if wish.image is not None and int(wish.steps * wish.strength) < 1:
            raise InvalidInput("steps times strength must be at least 1")

    def _own_pipeline(self, wish: Wish, scheduler: Pipeline) -> Pipeline:
        layout = self._layout
        kind = layout.text if wish.image is None else layout.inpaint if wish.mask else layout.image
        parts = {**self._base.components, "scheduler": scheduler}
        if layout is not SDXL:
            parts["requires_safety_checker"] = parts.get("safety_checker") is not None
        pipeline = getattr(diffusers(), kind)(**parts)
        pipeline._guidance_scale = wish.guidance  # noqa: SLF001  # its methods ask for it
        return pipeline

    def _from_noise(
        self, pipe: Pipeline, wish: Wish, text: _Text, generator: torch.Generator
    ) -> "_Start":
        latents = pipe.prepare_latents(
            1,
            pipe.unet.config.in_channels,
            wish.height_px,
            wish.width_px,
            text.states.dtype,
            self._device,
            generator,
            None,
        )
        timesteps = pipe.scheduler.timesteps
        if hasattr(pipe.scheduler, "set_begin_index"):
            pipe.scheduler.set_begin_index(0)
        return _Start(latents, timesteps)

    def _from_image(
        self,
        pipe: Pipeline,
        wish: Wish,
        text: _Text,
        generator: torch.Generator,
        given: Image.Image,
    ) -> "_Start":
        image = pipe.image_processor.preprocess(given)
        timesteps, _count = pipe.get_timesteps(wish.steps, wish.strength, self._device)
        latents = pipe.prepare_latents(
            image, timesteps[:1], 1, 1, text.states.dtype, self._device, generator
        )
        return _Start(latents, timesteps)

    def _around_mask(
        self, pipe: Pipeline, wish: Wish, text: _Text, generator: torch.Generator
    ) -> "_Start":
        size = {"height": wish.height_px, "width": wish.width_px}
        image = pipe.image_processor.preprocess(wish.image, **size).to(torch.float32)
        mask = pipe.mask_processor.preprocess(wish.mask, **size)
        timesteps, _count = pipe.get_timesteps(wish.steps, wish.strength, self._device)
        place = (wish.height_px, wish.width_px, text.states.dtype, self._device, generator)
        latents, noise, *image_latents = pipe.prepare_latents(
            1,
            pipe.vae.config.latent_channels,
            *place,
            None,
            image=image,
            timestep=timesteps[:1],
            is_strength_max=wish.strength == 1.0,
            return_noise=True,
            return_image_latents=not self._takes_mask,
        )
        small_mask, masked = pipe.prepare_mask_latents(mask, image * (mask < 0.5), 1, *place, False)
        if self._takes_mask:
            return _Start(latents, timesteps, channels=torch.cat([small_mask, masked], dim=1))
        return _Start(latents, timesteps, kept=Kept(small_mask, image_latents[0], noise))

    def _added(self, pipe: Pipeline, wish: Wish, text: _Text) -> dict[str, torch.Tensor]:
        if text.pooled is None:
            return {}
        size = (wish.height_px, wish.width_px)
        sizes: tuple[Any, ...] = (size, (0, 0), size)
        if wish.image is not None:
            sizes = (*sizes, *AESTHETIC_SCORES, size, (0, 0), size)
        ids = pipe._get_add_time_ids(  # noqa: SLF001  # the one place that knows their order
            *sizes, dtype=text.states.dtype, text_encoder_projection_dim=text.pooled.shape[-1]
        )
        wanted, unwanted = ids if wish.image is not None else (ids, ids)
        rows = torch.cat([unwanted, wanted]) if wish.guided else wanted
        return {"text_embeds": text.pooled, "time_ids": rows.to(self._device)}


@dataclass(frozen=True)
class _Start:
    latents: torch.Tensor
    timesteps: Sequence[torch.Tensor]
    channels: torch.Tensor | None = None
    kept: Kept | None = None
