"""Path tracing in pieces small enough to stop between."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.core.errors import ModelUnavailable
from models.image.render.colors import Pixels
from models.image.render.lights import OWN_LIGHT, Lighting
from models.image.render.mesh import Floats
from models.image.render.stage import Loaded, Mitsuba, load
from models.image.render.variant import Variant
from models.image.render.view import View
from models.image.render.world import Piece
from models.image.schema import Scene

MAX_DEPTH = 12
RUSSIAN_ROULETTE_DEPTH = 4
Drjit = Any
"""The `drjit` module."""
Lazy = Any
"""Arrays that DrJit has yet to compute."""
BRIGHTEST = 16.0
"""Radiance at which one sample is clamped, white paper being 1: kills fireflies."""
WAVE_RAYS: dict[Variant, int] = {"cuda_ad_rgb": 1 << 22, "llvm_ad_rgb": 3 << 16}
"""Rays between two looks at whether anybody still waits."""
GUIDE_SAMPLES = 3
CHANNELS = 10
"""Colour, albedo, normal, depth."""


@dataclass(frozen=True)
class Job:
    """One picture to trace.

    Attributes:
        scene: What to draw.
        parts: Its triangles.
        view: Its camera.
        width_px: Size of the picture.
        height_px: See `width_px`.
        samples_per_pixel: Paths per pixel.
        seed: Of all random numbers.
        lighting: What else shapes the light.
    """

    scene: Scene
    parts: tuple[Piece, ...]
    view: View
    width_px: int
    height_px: int
    samples_per_pixel: int
    seed: int
    lighting: Lighting = OWN_LIGHT


Step = Callable[[float], None]


class Tracer(Protocol):
    """Traces a job to `(H, W, 10)`: colour, albedo, normal and depth."""

    def trace(self, job: Job, step: Step) -> Pixels:
        """Trace; `step` gets the finished fraction after every piece and may raise to stop."""
        ...


def path_integrator() -> dict[str, Any]:
    """The integrator that both tracers use."""
    return {"type": "path", "max_depth": MAX_DEPTH, "rr_depth": RUSSIAN_ROULETTE_DEPTH}


def clamped(radiance: Pixels) -> Pixels:
    """Radiance without invalid samples, and very bright ones dimmed without losing their hue."""
    finite = np.nan_to_num(radiance, nan=0.0, posinf=0.0, neginf=0.0)
    peak = finite.max(-1, keepdims=True)
    return np.maximum(finite * np.minimum(1, BRIGHTEST / np.maximum(peak, 1e-6)), 0)


class WaveTracer:
    """Traces rows as waves of rays on the vectorised back end.

    Rays are made here rather than by a sensor plugin, because everything a plugin holds is
    compiled into the kernel: a new camera or size would compile again.
    """

    def __init__(self, mi: Mitsuba, dr: Drjit, variant: Variant) -> None:
        self._mi = mi
        self._dr = dr
        self._variant = variant
        self._staged: tuple[tuple[Piece, ...], Lighting, Loaded] | None = None
        self.wave_rays = WAVE_RAYS[variant]

    def trace(self, job: Job, step: Step) -> Pixels:
        """See `Tracer`."""
        step(0.0)
        self._mi.set_variant(self._variant)
        stage = self._stage(job)
        step(0.0)
        out = np.empty((job.height_px, job.width_px, CHANNELS), np.float32)
        for first, rows in self._bands(job):
            out[first : first + rows] = self._band(job, stage, first, rows)
            step((first + rows) / job.height_px)
        return out

    def _stage(self, job: Job) -> Loaded:
        """The loaded scene; kept for the next frame of a film, whose parts are the same object."""
        kept = self._staged
        if kept is None or kept[0] is not job.parts or kept[1] is not job.lighting:
            self._staged = None  # two need not fit
            stage = load(self._mi, job.scene, job.parts, path_integrator(), job.lighting)
            self._staged = (job.parts, job.lighting, stage)
            return stage
        return kept[2]

    def _bands(self, job: Job) -> Iterator[tuple[int, int]]:
        rows = max(1, self.wave_rays // (job.width_px * job.samples_per_pixel))
        for first in range(0, job.height_px, rows):
            yield first, min(rows, job.height_px - first)

    def _band(self, job: Job, stage: Loaded, first: int, rows: int) -> Pixels:
        color = self._paths(job, stage, first, rows)
        guides = self._guides(job, stage, first, rows)
        self._dr.eval(color, guides)
        planes = [np.asarray(plane, np.float32) for plane in (*color, *guides)]
        return np.stack(planes, -1).reshape(rows, job.width_px, CHANNELS)

    def _paths(self, job: Job, stage: Loaded, first: int, rows: int) -> list[Lazy]:
        mi, dr = self._mi, self._dr
        sampler, rays = self._rays(job, first, rows, job.samples_per_pixel, salt=0)
        radiance, _, _ = stage.integrator().sample(stage, sampler, rays)
        finite = dr.isfinite(dr.sum(radiance))
        ceiling = dr.opaque(mi.Float, BRIGHTEST)
        dimmed = radiance * dr.minimum(1.0, ceiling / dr.maximum(dr.max(radiance), 1e-6))
        kept = dr.select(finite, dr.maximum(dimmed, 0.0), 0.0)
        return [
            dr.block_sum(channel, job.samples_per_pixel) / job.samples_per_pixel for channel in kept
        ]

    def _guides(self, job: Job, stage: Loaded, first: int, rows: int) -> list[Lazy]:
        mi, dr = self._mi, self._dr
        samples = min(GUIDE_SAMPLES, job.samples_per_pixel)
        _, rays = self._rays(job, first, rows, samples, salt=1)
        hit = stage.ray_intersect(rays)
        valid = hit.is_valid()
        albedo = hit.shape.eval_attribute_3("vertex_color", hit, valid)
        normal = dr.select(valid, mi.Vector3f(hit.sh_frame.n), 0.0)
        depth = dr.select(valid, hit.t, 0.0)
        values = [*dr.select(valid, dr.clip(albedo, 0.0, 1.0), 0.0), *normal, depth]
        return [dr.block_sum(value, samples) / samples for value in values]

    def _rays(
        self, job: Job, first: int, rows: int, samples: int, salt: int
    ) -> tuple[Loaded, Lazy]:
        """Stratified rays, all samples of a pixel side by side."""
        mi, dr = self._mi, self._dr
        count = rows * job.width_px * samples
        sampler = mi.load_dict({"type": "independent", "sample_count": 1})
        sampler.seed(
            dr.opaque(mi.UInt32, (job.seed * 2 + salt + first * 0x9E3779B1) % 2**32), count
        )
        index = dr.arange(mi.UInt32, count)
        per_pixel = dr.opaque(mi.UInt32, samples)
        width = dr.opaque(mi.UInt32, job.width_px)
        pixel = index // per_pixel
        row = pixel // width
        jitter = sampler.next_2d()
        share = (mi.Float(index - pixel * per_pixel) + jitter.x) / mi.Float(per_pixel)
        x = mi.Float(pixel - row * width) + jitter.y
        y = mi.Float(row) + dr.opaque(mi.Float, float(first)) + share
        return sampler, self._through(job, x, y, sampler)

    def _opaque(self, vector: Floats) -> Lazy:
        """A vector that is not compiled into the kernel."""
        values = (self._dr.opaque(self._mi.Float, float(value)) for value in vector)
        return self._mi.Vector3f(*values)

    def _through(self, job: Job, x: Lazy, y: Lazy, sampler: Lazy) -> Lazy:
        """Rays through points of the picture, in pixels."""
        mi, dr, view = self._mi, self._dr, job.view
        eye = self._opaque(view.eye)
        if view.projection == "equirectangular":
            way = self._all_around(job, x, y)
        else:
            across = self._opaque(view.right * view.tangent_x * 2 / job.width_px)
            down = self._opaque(-view.up * view.tangent_y * 2 / job.height_px)
            corner = view.ahead - view.right * view.tangent_x + view.up * view.tangent_y
            way = self._opaque(corner) + across * x + down * y  # reaches depth 1
            if view.has_lens:
                # A point at the depth of focus is seen from every part of the lens.
                disc = mi.warp.square_to_uniform_disk_concentric(sampler.next_2d())
                radius = dr.opaque(mi.Float, view.aperture_m / 2)
                aside = self._opaque(view.right) * disc.x + self._opaque(view.up) * disc.y
                eye = eye + aside * radius
                way = way - aside * (radius / dr.opaque(mi.Float, view.focus_m))
            way = dr.normalize(way)
        return mi.RayDifferential3f(mi.Ray3f(mi.Point3f(eye), way))

    def _all_around(self, job: Job, x: Lazy, y: Lazy) -> Lazy:
        mi, dr, view = self._mi, self._dr, job.view
        azimuth = (x / dr.opaque(mi.Float, float(job.width_px)) - 0.5) * (2 * dr.pi)
        rise = (0.5 - y / dr.opaque(mi.Float, float(job.height_px))) * dr.pi
        level = self._opaque(view.right) * dr.sin(azimuth) + self._opaque(view.ahead) * dr.cos(
            azimuth
        )
        return level * dr.cos(rise) + self._opaque(view.up) * dr.sin(rise)


class BlockTracer:
    """Traces bands of rows, one sample at a time, on the scalar back end."""

    band_pixels = 20_000

    def __init__(self, mi: Mitsuba) -> None:
        self._mi = mi

    def trace(self, job: Job, step: Step) -> Pixels:
        """See `Tracer`."""
        mi = self._mi
        step(0.0)
        mi.set_variant("scalar_rgb")
        guides = mi.load_dict(
            {"type": "aov", "aovs": "a:albedo,n:sh_normal,d:depth", "image": path_integrator()}
        )
        stage = load(mi, job.scene, job.parts, path_integrator(), job.lighting)
        step(0.0)
        out = np.zeros((job.height_px, job.width_px, CHANNELS), np.float32)
        guided = min(GUIDE_SAMPLES - 1, job.samples_per_pixel)
        rows = max(1, self.band_pixels // job.width_px)
        for first in range(0, job.height_px, rows):
            count = min(rows, job.height_px - first)
            sensor = self._sensor(job, first, count)
            band = out[first : first + count]
            for sample in range(job.samples_per_pixel):
                seed = (job.seed * 0x9E3779B1 + sample * 0x85EBCA6B + first) % 2**32
                integrator = guides if sample < guided else stage.integrator()
                film = np.asarray(
                    mi.render(stage, sensor=sensor, integrator=integrator, spp=1, seed=seed)
                )
                band[..., :3] += clamped(film[..., :3]) / job.samples_per_pixel
                if sample < guided:
                    band[..., 3:] += film[..., 3:10] / guided
                step((first + count * (sample + 1) / job.samples_per_pixel) / job.height_px)
        return out

    def _sensor(self, job: Job, first: int, rows: int) -> Loaded:
        mi, view = self._mi, job.view
        if view.projection != "perspective":
            raise ModelUnavailable(
                f"{view.projection} pictures need the vectorised back end: install libllvm19"
            )
        lens: dict[str, Any] = {"type": "perspective"}
        if view.has_lens:
            lens = {
                "type": "thinlens",
                "aperture_radius": view.aperture_m / 2,
                "focus_distance": view.focus_m,
            }
        smaller = min(view.tangent_x, view.tangent_y)
        return mi.load_dict(
            {
                **lens,
                "fov": float(2 * np.degrees(np.arctan(smaller))),
                "fov_axis": "smaller",
                "near_clip": 1e-3,
                "far_clip": 1e4,
                "to_world": mi.ScalarTransform4f().look_at(
                    origin=view.eye.tolist(),
                    target=(view.eye + view.ahead).tolist(),
                    up=view.up.tolist(),
                ),
                "film": {
                    "type": "hdrfilm",
                    "width": job.width_px,
                    "height": job.height_px,
                    "crop_offset_x": 0,
                    "crop_offset_y": first,
                    "crop_width": job.width_px,
                    "crop_height": rows,
                    "pixel_format": "rgb",
                    "component_format": "float32",
                    "rfilter": {"type": "box"},
                },
            }
        )
