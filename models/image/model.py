"""The image capability: a prompt, or a scene, becomes pictures in the artifact store."""

import hashlib
import time

import torch

from models.core.artifacts import Asset, Provenance
from models.core.capability import ModelCard, Run, Setup, Value
from models.core.seeds import draw_seed
from models.image.render import Renderer, encode, samples_for
from models.image.scene import Composition, SceneDiffusion
from models.image.schema import MAX_SEED, ImageRequest, ImageResult, Picture
from models.image.styles import Style, style_named

MODEL = "scene"


class ImageOptions(Value):
    """The capability's settings, `args.options.image` of the configuration.

    Attributes:
        libllvm: Path of a libLLVM, where the one that is found is not the right one.
    """

    libllvm: str | None = None


class ImageModel:
    """Draws what a prompt says: scene diffusion, path tracing, denoising, encoding."""

    def __init__(self, setup: Setup) -> None:
        options = ImageOptions.model_validate(setup.options)
        # The networks are small: with more threads these spend their time waiting for each other.
        torch.set_num_threads(1)
        self._store = setup.store
        self._diffusion = SceneDiffusion.load()
        self._renderer = Renderer(options.libllvm, setup.cache_dir, setup.device)
        self._renderer.warm_up()

    def cards(self) -> tuple[ModelCard, ...]:
        """The embedded model."""
        return (
            ModelCard(
                name=MODEL,
                version=self._diffusion.version,
                weights_sha256=self._diffusion.weights_sha256,
                device=self._renderer.variant,
                reason=" ".join(self._renderer.degraded) or None,
            ),
        )

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        """Draw `n` pictures with the seeds `seed`, `seed + 1`, ...

        Raises:
            Cancelled: Nobody waits for the pictures any more.
            StorageFull: They cannot be kept.
        """
        style = style_named(request.style)
        first = draw_seed() if request.seed is None else request.seed
        timings_s: dict[str, float] = {}
        pictures = []
        for number in range(request.n):
            run.check()
            part = run.part(number, request.n)
            seed = (first + number) % MAX_SEED
            pictures.append(self._draw(request, style, seed, part, timings_s))
        return ImageResult(
            images=tuple(pictures),
            model=MODEL,
            style=style.name,
            weights_sha256=self._diffusion.weights_sha256,
            renderer=self._renderer.variant,
            samples_per_pixel=self._renderer.samples(request.quality),
            degraded=self._renderer.degraded,
            timings_s={stage: round(seconds, 3) for stage, seconds in timings_s.items()},
        )

    def _draw(
        self,
        request: ImageRequest,
        style: Style,
        seed: int,
        run: Run,
        timings_s: dict[str, float],
    ) -> Picture:
        started = time.perf_counter()
        composed = self._compose(request, seed)
        composed_at = time.perf_counter()
        rendering = self._renderer.render(
            composed.scene,
            request.width_px,
            request.height_px,
            samples_per_pixel=samples_for(request.quality),
            seed=seed,
            style=style,
            cancelled=run.cancelled,
            progress=run.progress,
        )
        rendered_at = time.perf_counter()
        content, media_type, extension = encode(rendering, style, request.format)
        run.check()
        asset = self._keep(content, media_type, extension, request, seed, run)
        kept_at = time.perf_counter()
        stages = {"compose": composed_at - started, "store": kept_at - rendered_at}
        for stage, seconds in (stages | rendering.timings_s).items():
            timings_s[stage] = timings_s.get(stage, 0.0) + seconds
        return Picture(
            asset=asset,
            seed=seed,
            scene=composed.scene,
            mapped=composed.mapped,
            ignored=composed.ignored,
        )

    def _compose(self, request: ImageRequest, seed: int) -> Composition:
        if request.scene is not None:
            return Composition(scene=request.scene)
        return self._diffusion.compose(request.prompt, seed)

    def _keep(
        self,
        content: bytes,
        media_type: str,
        extension: str,
        request: ImageRequest,
        seed: int,
        run: Run,
    ) -> Asset:
        return self._store.put(
            content,
            owner=run.owner,
            media_type=media_type,
            filename=f"orrery-{seed}{extension}",
            provenance=Provenance(
                capability="image",
                backend=MODEL,
                model_sha256=self._diffusion.weights_sha256,
                seed=seed,
                prompt_sha256=hashlib.sha256(request.prompt.encode()).hexdigest(),
            ),
        )
