"""The engine `diffusion`: video models of this machine."""

import importlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.core.capability import ModelCard, Run, Setup
from models.core.durable import full_disk_is_named, write_atomically
from models.core.errors import InvalidInput, ModelUnavailable
from models.image.sources import read_source
from models.video.diffusion.families import Family
from models.video.diffusion.options import DiffusionOptions
from models.video.diffusion.shelf import Found, Shelf
from models.video.generator import Picture, Plan, Take
from models.video.schema import DEFAULT_DURATION_S, GeneratorName, VideoRequest

if TYPE_CHECKING:
    from models.video.diffusion.loading import Projector

LATENTS: Final = "latents.safetensors"
NONE_HERE: Final = (
    "no checkpoint of a video model is on this machine: put Wan, LTX-Video, CogVideoX, AnimateDiff "
    "or Stable Video Diffusion in diffusers' format into a folder, and name it in "
    "options.video.diffusion.checkpoints"
)
FULL: Final = "the disk is full: free some space and ask for the same again"


class DiffusionGenerator:
    """Runs checkpoints by diffusers, one clip at a time.

    Args:
        setup: Of the capability.
        options: Of the engine.
    """

    name: GeneratorName = "diffusion"

    def __init__(self, setup: Setup, options: DiffusionOptions) -> None:
        self._store, self._device = setup.store, setup.device
        self._options, self._shelf = options, Shelf(options)
        self._projector: Projector | None = None
        self._lock = threading.Lock()

    def cards(self) -> tuple[ModelCard, ...]:
        """See `Generator`."""
        cards = tuple(
            ModelCard(
                name=found.name,
                version=found.version,
                kind=self.name,
                device=self._device,
                available=found.problem is None,
                reason=found.problem,
            )
            for found in self._shelf
        )
        absent = ModelCard(
            name=self.name,
            version="none",
            kind=self.name,
            available=False,
            reason=NONE_HERE,
            device=self._device,
        )
        return cards or (absent,)

    def plan(self, request: VideoRequest) -> Plan:
        """See `Generator`."""
        found, family = self._chosen(request)
        _kind(found, family, request)
        seconds = request.duration_s or min(DEFAULT_DURATION_S, family.seconds)
        if family.frames(seconds) > family.most:
            raise InvalidInput(
                f"{found.name!r} makes clips of at most {family.seconds:.2f} s "
                f"({family.most} frames at {family.fps:g} a second), not {seconds:g} s"
            )
        return Plan(found.name, found.version, family.fps, seconds)

    def make(self, request: VideoRequest, plan: Plan, seed: int, folder: Path, run: Run) -> Take:
        """See `Generator`."""
        found, family = self._chosen(request)
        image = None
        if request.image is not None:
            image = read_source(request.image, run.owner, self._store)
        # Torch and diffusers take seconds, which a service that makes no such clip need not spend.
        denoising = importlib.import_module("models.video.diffusion.denoising")
        decoding = importlib.import_module("models.video.diffusion.decoding")
        tensors = importlib.import_module("safetensors.torch")
        native = family.native(request.size, request.upscale)
        frames = family.frames(plan.seconds)
        kept = folder / LATENTS
        kind = _kind(found, family, request)
        with self._own_projector().pipeline(found, family, kind, run) as pipeline:
            if not kept.exists():
                made = denoising.denoise(
                    pipeline, request, image, native, frames, family.fps, seed, run
                )
                content = tensors.save({"latents": made.cpu().contiguous()})
                with full_disk_is_named(FULL):
                    write_atomically(kept, content)
            run.progress(denoising.DENOISED, "decode")
            latents = tensors.load(kept.read_bytes())["latents"]
            pictures, way = decoding.decode(
                pipeline, family, latents, native, frames, seed, folder, run
            )
        run.progress(1.0, "decode")
        notes = () if way != decoding.WAYS[-1] else ("decoded on the processor: the GPU was full",)

        def picture(number: int) -> Picture:
            one: Picture = pictures[number]
            return one

        return Take(native, family.fps, frames, picture, degraded=notes)

    def forget(self, folder: Path) -> None:
        """See `Generator`."""
        (folder / LATENTS).unlink(missing_ok=True)

    def _chosen(self, request: VideoRequest) -> tuple[Found, Family]:
        found = self._shelf.find(request.model)
        if found is None:
            known = ", ".join(one.name for one in self._shelf)
            if request.model is None or not known:
                raise ModelUnavailable(NONE_HERE)
            raise ModelUnavailable(f"no video model {request.model!r} here; there are {known}")
        if found.family is None:
            raise ModelUnavailable(f"{found.name!r} cannot be used: {found.problem}")
        return found, found.family

    def _own_projector(self) -> "Projector":
        with self._lock:
            if self._projector is None:
                loading = importlib.import_module("models.video.diffusion.loading")
                self._projector = loading.Projector(self._options, self._device)
            return self._projector


def _kind(found: Found, family: Family, request: VideoRequest) -> str:
    """Class of diffusers that makes this of a checkpoint."""
    kind = family.text if request.image is None else family.image
    if kind is None:
        needs = (
            "begins with a picture: give an image"
            if request.image is None
            else ("cannot begin with a picture: leave image out")
        )
        raise InvalidInput(f"{found.name!r} {needs}")
    return kind
