"""Frames out of an engine's pictures: both eyes, motion blur, depth as grey."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

import numpy as np

from models.core.capability import Run
from models.media.canvas import Band
from models.media.reel import Source
from models.media.size import Size
from models.video.backend import Floats, Footage, Lens
from models.video.cost import BLUR_SAMPLES
from models.video.flight import Flight
from models.video.path import CameraPath
from models.video.schema import Output

HALF_TURN: Final = 360.0


def source_of(
    footage: Footage,
    path: CameraPath,
    native: Size,
    output: Output,
    depth_range_m: tuple[float, float],
    run: Run,
    on_frame: Callable[[int], None],
) -> Source:
    """Paints the frames of a path.

    Args:
        footage: Gives pictures.
        path: Where the camera is.
        native: Size of what is painted.
        output: What of it.
        depth_range_m: What is white and what is black in depth.
        run: Is polled.
        on_frame: Told of every frame once it is painted.
    """
    flight = Flight(path)
    lenses = _eyes(path, native)
    samples = BLUR_SAMPLES if path.shutter_deg > 0 and output == "rgb" else 1

    def eye(number: int, lens: Lens) -> Iterator[Floats]:
        parts = [
            footage.bands(
                flight.at_frame(number, path.shutter_deg / HALF_TURN * (index / samples)),
                lens,
                output,
                run,
            )
            for index in range(samples)
        ]
        for bands in zip(*parts, strict=True):
            run.check()
            blended = blend(bands, linear=footage.linear)
            yield _grey(blended, depth_range_m) if output == "depth" else blended

    def paint(number: int) -> Iterator[Band]:
        eyes = [eye(number, lens) for lens in lenses]
        if path.stereo == "side-by-side":
            for left, right in zip(*eyes, strict=True):
                yield np.concatenate([left, right], 1)
        else:
            yield from chain.from_iterable(eyes)
        on_frame(number)

    return paint


def blend(pictures: tuple[Floats, ...], *, linear: bool) -> Floats:
    """The mean of pictures, of their light rather than of their code values."""
    if len(pictures) == 1:
        return pictures[0]
    light = [picture if linear else decode_srgb(picture) for picture in pictures]
    mean = np.asarray(np.mean(light, 0, dtype=np.float32), np.float32)
    return mean if linear else encode_srgb(mean)


def decode_srgb(code: Floats) -> Floats:
    """Linear light of sRGB values in 0-1 (IEC 61966-2-1)."""
    low, high = code / 12.92, ((code + 0.055) / 1.055) ** 2.4
    return np.where(code <= 0.04045, low, high).astype(np.float32)


def encode_srgb(light: Floats) -> Floats:
    """SRGB values of linear light in 0-1 (IEC 61966-2-1)."""
    low, high = light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high).astype(np.float32)


def _eyes(path: CameraPath, native: Size) -> list[Lens]:
    aspect = native.width / native.height
    if path.stereo == "none":
        return [Lens(native, aspect, path.projection)]
    half = native._replace(width=native.width // 2)
    if path.stereo == "top-bottom":
        half = native._replace(height=native.height // 2)
    apart = path.eye_distance_mm / 1000
    return [Lens(half, aspect, path.projection, side * apart / 2) for side in (-1, 1)]


def _grey(depth_m: Floats, depth_range_m: tuple[float, float]) -> Floats:
    """Near is white, far and nothing at all black; steps are even in 1 / distance."""
    near, far = depth_range_m
    with np.errstate(divide="ignore"):
        share = (1 / depth_m - 1 / far) / (1 / near - 1 / far)
    return np.where(depth_m > 0, np.clip(share, 0, 1), 0).astype(np.float32)
