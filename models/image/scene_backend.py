"""The embedded backend: scene diffusion, path tracing, denoising, encoding."""

import contextvars
import hashlib
import importlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple, TypeVar

import torch

from models.core.artifacts import Provenance
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import Cancelled, InvalidInput
from models.core.seeds import draw_seed
from models.core.xmp import packet
from models.image.options import ImageOptions
from models.image.render import Renderer, Rendering, encode, samples_for
from models.image.render.glb import MEDIA_TYPE as GLB
from models.image.render.glb import to_glb
from models.image.render.lights import OWN_LIGHT, Lighting
from models.image.render.panorama import read_panorama
from models.image.scene import Composition, SceneDiffusion
from models.image.schema import (
    MAX_SEED,
    BackendName,
    ImageRequest,
    ImageResult,
    Picture,
    Quality,
    Scene,
)
from models.image.sources import read_bytes
from models.image.styles import Style, style_named

MODEL = "scene"
PREVIEW_SIDE_PX = 192
POLL_S = 0.05
"""How often a run that waits for its turn looks whether its caller is still there."""

ValueT = TypeVar("ValueT")


class _Made(NamedTuple):
    """A file, and how long its stages took."""

    content: bytes
    media_type: str
    extension: str
    timings_s: dict[str, float]


class SceneBackend:
    """Draws what a prompt says, one picture at a time.

    Everything is built and run in one thread of its own: the renderers keep state per thread, and
    a second picture beside the first would only make both slower.
    """

    name: BackendName = "scene"

    def __init__(self, setup: Setup) -> None:
        self._store = setup.store
        self._films = setup.cache_dir / "films"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scene")
        self._thread.submit(self._build, setup).result()

    def _build(self, setup: Setup) -> None:
        # The networks are small: with more threads these spend their time waiting for each other.
        torch.set_num_threads(1)
        libllvm = ImageOptions.model_validate(setup.options).libllvm
        self._diffusion = SceneDiffusion.load(cache=setup.cache_dir / "words")
        self._renderer = Renderer(libllvm, setup.cache_dir, setup.device)
        self._renderer.warm_up()

    def cards(self) -> tuple[ModelCard, ...]:
        """The embedded model."""
        return (
            ModelCard(
                name=MODEL,
                version=self._diffusion.version,
                kind=self.name,
                weights_sha256=self._diffusion.weights_sha256,
                device=self._renderer.variant,
                reason=" ".join(self._renderer.degraded) or None,
            ),
        )

    def run(self, request: ImageRequest, run: Run) -> ImageResult:
        """Draw `n` pictures with the seeds `seed`, `seed + 1`, ...

        Raises:
            Cancelled: Nobody waits for the pictures any more.
            InvalidInput: Fields are set that have no meaning here.
            StorageFull: The pictures cannot be kept.
        """
        foreign = request.foreign_to(self.name)
        if foreign:
            raise InvalidInput(
                f"the backend 'scene' has no {', '.join(foreign)}; leave them out, or choose a "
                "model of the backend 'diffusers'"
            )
        run.check()
        context = contextvars.copy_context()  # the request's id, for the log
        return _outcome(self._thread.submit(context.run, self._run, request, run), run)

    def _run(self, request: ImageRequest, run: Run) -> ImageResult:
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
            backend=self.name,
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
        lighting = self._lighting(request, run)
        if request.preview_every:
            self._preview(composed.scene, request, style, seed, lighting, run)
        provenance = self._provenance(request, seed)
        made = self._made(composed.scene, request, style, seed, lighting, provenance, run)
        made_at = time.perf_counter()
        run.check()
        asset = self._store.put(
            made.content,
            owner=run.owner,
            media_type=made.media_type,
            filename=f"orrery-{seed}{made.extension}",
            provenance=provenance,
        )
        kept_at = time.perf_counter()
        stages = {"compose": composed_at - started, "store": kept_at - made_at}
        for stage, seconds in (stages | made.timings_s).items():
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

    def _made(
        self,
        scene: Scene,
        request: ImageRequest,
        style: Style,
        seed: int,
        lighting: Lighting,
        provenance: Provenance,
        run: Run,
    ) -> _Made:
        """The file of a scene."""
        size, started = (request.width_px, request.height_px), time.perf_counter()
        if request.format == "glb":
            content = to_glb(scene, style, provenance, size, request.motion)
            return _Made(content, GLB, ".glb", {"model": time.perf_counter() - started})
        if request.format == "mp4":
            # The encoder is loaded by the first film.
            module = importlib.import_module("models.image.scene_film")
            xmp = packet(provenance)
            content = module.film_scene(
                self._renderer, scene, style, lighting, request, seed, self._films, xmp, run
            )
            return _Made(content, "video/mp4", ".mp4", {"film": time.perf_counter() - started})
        rendering = self._rendered(scene, size, request.quality, style, seed, lighting, run)
        file = encode(rendering, style, request.format, packet(provenance))
        return _Made(*file, rendering.timings_s)

    def _rendered(
        self,
        scene: Scene,
        size: tuple[int, int],
        quality: Quality,
        style: Style,
        seed: int,
        lighting: Lighting,
        run: Run,
    ) -> Rendering:
        started = time.perf_counter()
        job = self._renderer.job(scene, size, samples_for(quality), seed, style)
        build_s = time.perf_counter() - started
        job = replace(job, lighting=lighting)
        rendering = self._renderer.shoot(job, run.cancelled, run.progress)
        return replace(rendering, timings_s={"build": build_s, **rendering.timings_s})

    def _lighting(self, request: ImageRequest, run: Run) -> Lighting:
        if request.environment is None:
            return OWN_LIGHT
        content = read_bytes(request.environment, run.owner, self._store)
        return Lighting(panorama=read_panorama(content))

    def _preview(
        self,
        scene: Scene,
        request: ImageRequest,
        style: Style,
        seed: int,
        lighting: Lighting,
        run: Run,
    ) -> None:
        """Show a small draft, which takes a fraction of the time of the picture."""
        scale = min(1.0, PREVIEW_SIDE_PX / max(request.width_px, request.height_px))
        size = (max(16, round(request.width_px * scale)), max(16, round(request.height_px * scale)))
        silent = replace(run, progress=lambda _fraction, _stage: None)
        draft = self._rendered(scene, size, "draft", style, seed, lighting, silent)
        content, media_type, _ = encode(draft, style, "jpeg")
        run.preview(content, media_type)

    def _provenance(self, request: ImageRequest, seed: int) -> Provenance:
        light = request.environment
        return Provenance(
            capability="image",
            backend=self.name,
            model=MODEL,
            model_sha256=self._diffusion.weights_sha256,
            seed=seed,
            prompt_sha256=hashlib.sha256(request.prompt.encode()).hexdigest(),
            inputs=(light.asset_id,) if light is not None and light.asset_id else (),
        )


def _outcome(pending: Future[ValueT], run: Run) -> ValueT:
    """What the thread gives; a caller that leaves before its turn takes its place away."""
    while True:
        try:
            return pending.result(POLL_S)
        except TimeoutError:
            if pending.done():
                raise  # the work's own, not ours
            if run.cancelled() and pending.cancel():
                raise Cancelled("the caller left before the work began") from None
