"""The checkpoints that the step engine drives: which pipelines of diffusers stand behind each."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from models.image.schema import SchedulerName

Pipeline: TypeAlias = Any
"""A pipeline of diffusers, or a part of one: reading the library's types would take a minute."""


@dataclass(frozen=True)
class Layout:
    """A family of checkpoints.

    Attributes:
        name: Of the family.
        text: Class of diffusers that draws from text alone.
        image: Class that starts from a picture.
        inpaint: Class that paints a part of a picture anew.
    """

    name: str
    text: str
    image: str
    inpaint: str


SDXL = Layout(
    "sdxl",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
)
SD = Layout(
    "sd",
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
)
LAYOUTS: Mapping[str, Layout] = {
    SDXL.text: SDXL,
    SDXL.inpaint: SDXL,
    SD.text: SD,
    SD.inpaint: SD,
}
"""By the class that a checkpoint's `model_index.json` names."""

SCHEDULERS: Mapping[SchedulerName, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {}),
    "dpm++2m-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
}
"""Classes of diffusers with what differs from the checkpoint's own configuration."""


def diffusers() -> Any:  # noqa: ANN401  # the library has no types worth the seconds of reading it
    """The library, without progress bars and advice: a service has nobody to look at them."""
    library: Any = importlib.import_module("diffusers")
    library.utils.logging.disable_progress_bar()
    library.utils.logging.set_verbosity_error()
    importlib.import_module("transformers.utils.logging").disable_progress_bar()
    return library


def own_scheduler(configured: Any, name: SchedulerName | None) -> Any:  # noqa: ANN401  # schedulers share no base class
    """A scheduler for one request: they keep the index of the step, so none can be shared."""
    if name is None:
        return type(configured).from_config(configured.config)
    kind, options = SCHEDULERS[name]
    return getattr(diffusers(), kind).from_config(configured.config, **options)
