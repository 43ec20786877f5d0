"""The renderer: a scene in, light out."""

import importlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.core.errors import Cancelled
from models.image.render.backdrop import with_backdrop
from models.image.render.colors import Pixels
from models.image.render.denoise import Denoise, find_denoiser
from models.image.render.lights import MOODS, environment
from models.image.render.rendering import Rendering
from models.image.render.tracer import BlockTracer, Job, Tracer, WaveTracer
from models.image.render.variant import Variant, announce_library, find_library, gpu_renders
from models.image.render.view import fit
from models.image.render.world import pieces, unit_triangles
from models.image.schema import Material, Quality, Scene, SceneObject
from models.image.shapes import SHAPE_NAMES
from models.image.styles import Style, style_named

SAMPLES: dict[Quality, int] = {"draft": 2, "standard": 5, "high": 32}
"""Samples per pixel of each quality, with a denoiser."""
NOISY_FACTOR = 4
"""More samples that a picture gets where there is no denoiser."""


def samples_for(quality: Quality) -> int:
    """Samples per pixel of a quality."""
    return SAMPLES[quality]


class Renderer:
    """Path tracer and denoiser, chosen once by what the machine offers.

    Args:
        libllvm: Path of the only libLLVM to try; installed ones are searched where absent.
        cache_dir: Remembers which libLLVM works.
        device: `cuda` traces on the GPU, where its driver can.

    Attributes:
        variant: Back end in use.
        degraded: What the machine lacks, what that costs and what to do about it.
    """

    def __init__(
        self,
        libllvm: str | None = None,
        cache_dir: Path | None = None,
        device: str = "cpu",
    ) -> None:
        on_gpu = device == "cuda" and gpu_renders()
        library = None if on_gpu else find_library(libllvm, cache_dir)
        self.variant: Variant = (
            "cuda_ad_rgb" if on_gpu else "llvm_ad_rgb" if library else "scalar_rgb"
        )
        self._tracer = _tracer(self.variant, library)
        self._denoise = find_denoiser()
        self.degraded = _missing(self.variant, device, self._denoise)

    def samples(self, quality: Quality) -> int:
        """Samples per pixel of a quality on this machine: more without a denoiser."""
        return samples_for(quality) * (1 if self._denoise else NOISY_FACTOR)

    def warm_up(self) -> None:
        """Build every mesh and light and compile the kernels, so that no caller waits for it."""
        for shape in SHAPE_NAMES:
            unit_triangles(shape)
        for light in MOODS:
            environment(light)
        for things in _SAMPLERS:
            self.render(Scene(objects=things), 64, 64, 2, 0, style_named("photo"))

    def render(
        self,
        scene: Scene,
        width_px: int,
        height_px: int,
        samples_per_pixel: int,
        seed: int,
        style: Style,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[float, str], None] = lambda _fraction, _stage: None,
    ) -> Rendering:
        """Trace and denoise a scene.

        Raises:
            Cancelled: `cancelled` turned true; noticed between pieces of the work.
        """
        started = time.perf_counter()
        job = self.job(scene, (width_px, height_px), samples_per_pixel, seed, style)
        build_s = time.perf_counter() - started
        rendering = self.shoot(job, cancelled, progress)
        return replace(rendering, timings_s={"build": build_s, **rendering.timings_s})

    def shoot(
        self,
        job: Job,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[float, str], None] = lambda _fraction, _stage: None,
    ) -> Rendering:
        """Trace and denoise a job: one of `job`, or the same with another view, light, size or seed.

        Raises:
            Cancelled: `cancelled` turned true; noticed between pieces of the work.
        """

        def check() -> None:
            if cancelled():
                raise Cancelled("the caller left before the picture was ready")

        def step(fraction: float) -> None:
            check()
            progress(0.02 + 0.88 * fraction, "trace")

        check()
        clock = _Clock()
        traced = self._tracer.trace(job, step)
        clock.lap("trace")
        check()
        progress(0.9, "denoise")
        rendering = self._finished(job, traced, check)
        clock.lap("denoise")
        progress(1.0, "done")
        return replace(rendering, timings_s=clock.laps)

    def job(
        self, scene: Scene, size: tuple[int, int], samples: int, seed: int, style: Style
    ) -> Job:
        """A picture of a scene, ready to trace, from where its camera has it."""
        scene = style.dressed(scene)
        parts = pieces(scene, accents=style.accents)
        points = np.concatenate([part.triangles.positions for part in parts])
        count = samples if self._denoise else samples * NOISY_FACTOR
        return Job(scene, parts, fit(scene.camera, points, *size), *size, count, seed)

    def _finished(self, job: Job, traced: Pixels, check: Callable[[], None]) -> Rendering:
        color, albedo, normal, depth = np.split(traced, [3, 6, 9], axis=-1)
        if self._denoise:
            color = self._denoise(color, albedo, normal, check)
        points = np.concatenate([part.triangles.positions for part in job.parts])
        color = with_backdrop(color, depth[..., 0], job.scene, job.view, points, job.lighting)
        return Rendering(
            color=np.ascontiguousarray(color, np.float32),
            albedo=np.ascontiguousarray(albedo),
            normal=np.ascontiguousarray(normal),
            depth=np.ascontiguousarray(depth[..., 0]),
            level=MOODS[job.scene.light].level,
            samples_per_pixel=job.samples_per_pixel,
            variant=self.variant,
            denoised=self._denoise is not None,
            timings_s={},
        )


class _Clock:
    """Wall-clock seconds of consecutive stages."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = now - self._last
        self._last = now


def _tracer(variant: Variant, library: str | None) -> Tracer:
    if library:
        announce_library(library)
    mitsuba: Any = importlib.import_module("mitsuba")
    mitsuba.set_variant(variant)
    if variant == "scalar_rgb":
        return BlockTracer(mitsuba)
    return WaveTracer(mitsuba, importlib.import_module("drjit"), variant)


def _missing(variant: Variant, device: str, denoise: Denoise | None) -> tuple[str, ...]:
    sentences = []
    if device == "cuda" and variant != "cuda_ad_rgb":
        sentences.append(
            "the GPU cannot trace rays (OptiX is missing or too old): the processor does; "
            "install the driver with its OptiX libraries"
        )
    if variant == "scalar_rgb":
        sentences.append(
            "no usable libLLVM was found: rendering takes about twice as long; "
            "install Debian's libllvm19 or newer, or give the path of a libLLVM"
        )
    if not denoise:
        sentences.append(
            f"pyoidn is not installed: pictures take {NOISY_FACTOR} times the samples and stay "
            "grainy; install pyoidn"
        )
    return tuple(sentences)


def _example(shape: str, transmission: float = 0.0, roughness: float = 0.05) -> SceneObject:
    material = Material(roughness=roughness, transmission=transmission)
    return SceneObject.model_validate({"shape": shape, "color": "#808080", "material": material})


_SAMPLERS: tuple[tuple[SceneObject, ...], ...] = (
    (_example("cube"),),
    (_example("cube"), _example("sphere", 1.0)),
    (_example("candle"),),
    (_example("sphere", 1.0),),
    (_example("cube"), _example("sphere", 1.0, 0.5)),
)
"""One scene for each common set of surfaces: opaque, with glass, with a light, and so on."""
