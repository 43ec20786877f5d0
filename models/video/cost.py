"""What a clip will take: known before anything is computed, so that it can be refused or shown.

The figures are fits to measurements of this code on one core of an AMD EPYC (2026).
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from models.core.errors import TooLarge
from models.image.schema import Quality
from models.media.size import Size, doublings
from models.video.path import CameraPath
from models.video.schema import EngineName, Estimate, GeneratorName, VideoRequest

TRACE_S_PER_PIXEL: Final = 3.2e-6
TRACE_S_PER_SAMPLE: Final = 2.1e-6
TRACE_S_PER_FRAME: Final = 0.15
SAMPLES: Final[dict[Quality, int]] = {"draft": 2, "standard": 5, "high": 32}
ENCODE_S_PER_PIXEL: Final = 1.5e-8
LEARNED_S_PER_PIXEL: Final = 5.9e-8
"""Of every plane that the network makes, the one in between when it doubles twice included."""
BYTES_PER_PIXEL: Final = 0.06
"""Of a coded frame; an upper bound for H.264 as it is set here."""
PRORES_BYTES_PER_PIXEL: Final = 0.5
START_S: Final = 8.0
"""Reading the prompt and compiling kernels."""
TRACED_PIXELS: Final = 2048 * 2048
"""Most that a frame is traced at: the denoiser holds a frame several times over."""
BLUR_SAMPLES: Final = 4
"""Moments of a frame that motion blur averages."""

VIEW_COUNT: Final = 56
VIEW_PX: Final = 320
FIT_S: Final = 35.0
FIELD_S_PER_PIXEL: Final = 1.45e-7
FIELD_S_PER_FRAME: Final = 0.5

LAYERS_S: Final = 2.0
LAYERS_S_PER_POINT: Final = 6e-7
"""Of taking a picture apart."""
LAYERS_FRAME_S_PER_POINT: Final = 1.8e-7
LAYERS_FRAME_S_PER_PIXEL: Final = 4e-8
LAYERS_POINTS: Final = 8_300_000
"""Of a picture as it is used: layers of more would take gigabytes."""

WORTH_A_FIT: Final = 0.6
"""A field must be that much cheaper: it shows nothing before it is fitted, and less than the tracer."""

FOLLOW_START_S: Final = 10.0
"""Compiling kernels, once a machine."""
FOLLOWED: Final = 1 << 18
"""Samples of the planes that motion is followed on, at most."""
FOLLOW_S_PER_SAMPLE: Final = 9e-7
BETWEEN_S_PER_PIXEL: Final = 9e-8

PROXY_PX: Final = 640
"""Longest side of the small film that is made first."""
PROXY_FPS: Final = 12
LARGE: Final = Size(1920, 1080)
LONG_S: Final = 600.0
"""Above that size, or with that much work, a small film is worth its time."""
PROXY_SHARE: Final = 0.2
"""Of the work, at most, unless it is asked for."""

MAX_COMPUTE_S: Final = 24 * 3600.0


def native_size(request: VideoRequest, engine: EngineName) -> Size:
    """What the engine computes; frames are enlarged from it.

    Raises:
        TooLarge: The engine cannot compute it, and no enlargement was allowed.
    """
    size = request.size
    if request.upscale in (2, 4):
        return _divided(size, int(request.upscale))
    if engine != "path-trace" or size.pixels <= TRACED_PIXELS:
        return size
    if request.upscale == "none":
        raise TooLarge(
            f"path-trace computes at most {TRACED_PIXELS:,} pixels a frame: "
            "allow upscale, or use engine nerf"
        )
    factor = next(n for n in (2, 4) if size.pixels <= TRACED_PIXELS * n * n)
    return _divided(size, factor)


def estimate(request: VideoRequest) -> Estimate:
    """The engine that will be used, why, and what the clip takes.

    Raises:
        TooLarge: More than a day of one core, or the engine cannot compute such frames.
    """
    if request.generator is not None:
        return _unknown(request, request.generator)
    engine, why = choose(request)
    native = native_size(request, engine)
    setup_s, frame_s = costs(request, engine, native)
    encode_s = request.size.pixels * ENCODE_S_PER_PIXEL
    proxy = proxy_of(request)
    proxy_s = 0.0 if proxy is None else proxy.seconds
    compute_s = setup_s + proxy_s + frames_s(request)
    if compute_s > MAX_COMPUTE_S:
        raise TooLarge(
            f"this clip takes some {compute_s / 3600:.0f} hours of a core, at most "
            f"{MAX_COMPUTE_S / 3600:.0f} are accepted: ask for fewer or smaller frames, for a "
            "lower quality, or for engine nerf"
        )
    cores = os.cpu_count() or 1
    per_pixel = PRORES_BYTES_PER_PIXEL if request.codec == "prores" else BYTES_PER_PIXEL
    return Estimate(
        engine=engine,
        why=why,
        frames=request.frames,
        native_resolution=(native.width, native.height),
        compute_s=round(compute_s, 1),
        time_s=round(compute_s / cores, 1),
        first_segment_s=round(
            (setup_s + (frame_s + encode_s if proxy is None else proxy_s / proxy.frames)) / cores, 1
        ),
        proxy_s=None if proxy is None else round(proxy_s, 1),
        disk_bytes=round(3 * per_pixel * request.size.pixels * request.frames),
    )


def frames_s(request: VideoRequest) -> float:
    """Seconds of one core for the frames of a clip, once they can be filmed."""
    engine, _ = choose(request)
    _, frame_s = costs(request, engine, native_size(request, engine))
    return request.frames * (frame_s + request.size.pixels * ENCODE_S_PER_PIXEL)


@dataclass(frozen=True)
class Proxy:
    """A small film of the same path.

    Attributes:
        size: Of its frames.
        each: It has every so manieth frame of the whole.
        rate: Of its frames.
        frames: How many.
        seconds: Of one core.
    """

    size: Size
    each: int
    rate: Fraction
    frames: int
    seconds: float


def proxy_of(request: VideoRequest) -> Proxy | None:
    """The small film that is made before the whole; none where it is not worth its time."""
    if request.proxy == "never" or request.generator is not None:
        return None
    whole_s = frames_s(request)
    fits = request.size.within(PROXY_PX, PROXY_PX)
    size = Size(max(4, fits.width // 4 * 4), max(4, fits.height // 4 * 4))  # halves for two eyes
    each = max(1, round(request.rate / PROXY_FPS))
    frames = -(-request.frames // each)
    engine, _ = choose(request)
    small = request.model_copy(update={"quality": "draft", "upscaler": "lanczos"})
    _, frame_s = costs(small, engine, size)
    proxy = Proxy(size, each, request.rate / each, frames, frames * frame_s)
    is_long = request.size.pixels > LARGE.pixels or whole_s > LONG_S
    if request.proxy == "always" or (is_long and proxy.seconds <= PROXY_SHARE * whole_s):
        return proxy
    return None


def _unknown(request: VideoRequest, engine: GeneratorName) -> Estimate:
    """Of an engine whose time follows from a model that is not loaded, or is elsewhere."""
    return Estimate(
        engine=engine,
        why="as asked",
        frames=request.frames,
        native_resolution=None,
        compute_s=None,
        time_s=None,
        first_segment_s=None,
        interpolation_s=round(_between_s(request), 1),
        disk_bytes=round(4 * PRORES_BYTES_PER_PIXEL * request.size.pixels * request.frames),
        cost_usd=None if engine == "runway" else 0.0,
    )


def _between_s(request: VideoRequest) -> float:
    """As if all frames were made between a model's own, at the size of the clip."""
    if request.fps is None or request.interpolate == "none":
        return 0.0
    pixels = request.size.pixels
    frame_s = FOLLOW_S_PER_SAMPLE * min(pixels, FOLLOWED) + BETWEEN_S_PER_PIXEL * pixels
    return FOLLOW_START_S + frame_s * request.frames


def choose(request: VideoRequest) -> tuple[EngineName, str]:
    """The engine and the reason for it."""
    if request.picture is not None:
        return "layers", "a picture with depth is filmed in layers"
    if request.engine in ("nerf", "path-trace"):
        return request.engine, "as asked"
    if request.photos is not None:
        return "nerf", "photographs are filmed by a field that is fitted to them"
    if request.hdr == "hdr10":
        return "path-trace", "HDR10 needs scene-linear light"
    if _lens_in(request):
        return "path-trace", "a lens blurs what is out of focus"
    totals = {}
    for engine in ("path-trace", "nerf"):
        setup_s, frame_s = costs(request, engine, native_size(request, engine))
        totals[engine] = setup_s + frame_s * request.frames
    traced, fitted = totals["path-trace"], totals["nerf"]
    told = f"{fitted:.0f} s of a core with nerf, {traced:.0f} s with path-trace"
    return ("nerf", told) if fitted < WORTH_A_FIT * traced else ("path-trace", told)


def costs(request: VideoRequest, engine: EngineName, native: Size) -> tuple[float, float]:
    """Seconds of one core: once, and for each frame."""
    blur = BLUR_SAMPLES if getattr(request.camera, "shutter_deg", 0) else 1
    larger_s = enlarging_s(request, native)
    if engine == "layers":
        points = min(native.pixels, LAYERS_POINTS)  # pictures have about as many as frames
        frame_s = LAYERS_FRAME_S_PER_POINT * points + LAYERS_FRAME_S_PER_PIXEL * native.pixels
        return LAYERS_S + LAYERS_S_PER_POINT * points, blur * frame_s + larger_s
    if engine == "path-trace":
        return START_S, blur * trace_s(native, request.quality) + larger_s
    views_s = VIEW_COUNT * trace_s(Size(VIEW_PX, VIEW_PX), "draft") if not request.photos else 0
    return (
        START_S + views_s + FIT_S,
        blur * (FIELD_S_PER_FRAME + FIELD_S_PER_PIXEL * native.pixels) + larger_s,
    )


def trace_s(size: Size, quality: Quality) -> float:
    """Seconds of one core for one traced and denoised picture."""
    per_pixel = TRACE_S_PER_PIXEL + TRACE_S_PER_SAMPLE * SAMPLES[quality]
    return TRACE_S_PER_FRAME + per_pixel * size.pixels


def enlarging_s(request: VideoRequest, native: Size) -> float:
    """Seconds of one core for enlarging one frame beyond what encoding includes."""
    if request.upscaler == "lanczos":
        return 0.0
    times = range(1, doublings(native, request.size) + 1)
    return LEARNED_S_PER_PIXEL * sum(native.pixels << 2 * time for time in times)


def _lens_in(request: VideoRequest) -> bool:
    camera = request.camera
    return isinstance(camera, CameraPath) and any(
        key.aperture_mm > 0 and key.focus_m is not None for key in camera.keyframes
    )


def _divided(size: Size, factor: int) -> Size:
    return Size(
        max(2, round(size.width / factor / 2) * 2), max(2, round(size.height / factor / 2) * 2)
    )
