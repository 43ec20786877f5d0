"""Bands of pixels become frames for an encoder; one frame is alive at a time."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from models.media.formats import UpscalerName
from models.media.light import LUMA_709, LUMA_2020, Floats, hdr10_rgb
from models.media.planes import samples
from models.media.poll import Poll, patience
from models.media.size import Size, doublings

if TYPE_CHECKING:
    from models.media.enlarging.enlarger import Enlarger

Band: TypeAlias = NDArray[np.uint8] | Floats
"""An even number of rows `(rows, W, 3)`: sRGB as uint8 or as float32 in 0-1; for HDR10 linear
light as float32, diffuse white being 1."""
Bands: TypeAlias = Iterable[Band]
"""The bands of one frame from top to bottom."""

# Area filtering halves the chroma within pairs of rows, so bands meet without a seam.
_EXACT = (
    Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INP
)  # fmt: skip
_LANCZOS = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.BITEXACT

_LUMA_OF_BYTES: Final = (LUMA_709 / 255).astype(np.float32)


class Canvas:
    """Makes frames of one size from bands of another.

    Args:
        native: Size of what is painted.
        size: Size of the frames; where it is larger, they are enlarged.
        pixel_format: FFmpeg's name of the planes: `yuv420p`, `yuv422p10le`, `yuv420p10le`.
        hdr: Whether bands hold linear light for HDR10.
        upscaler: What enlarges luma; colour is always enlarged by a Lanczos filter.

    Raises:
        ModelUnavailable: The weights of the learned upscaler are missing or damaged.
    """

    def __init__(
        self,
        native: Size,
        size: Size,
        pixel_format: str,
        *,
        hdr: bool = False,
        upscaler: UpscalerName = "lanczos",
    ) -> None:
        self._native, self._size = native, size
        self._format, self._hdr = pixel_format, hdr
        self._band_to_planes, self._enlarge = VideoReformatter(), VideoReformatter()
        self._learned: Enlarger | None = None
        if upscaler == "learned" and doublings(native, size):
            from models.media.enlarging import enlarger  # noqa: PLC0415  # brings numba

            self._learned = enlarger.Enlarger(native, size)

    def frame(
        self, bands: Bands, number: int, rate: Fraction, poll: Poll = patience
    ) -> av.VideoFrame:
        """The frame of some bands, to be shown at `number / rate`.

        Args:
            bands: Of one frame.
            number: Of the frame.
            rate: Frames per second.
            poll: Called often where enlarging takes long.

        Raises:
            ValueError: The bands do not cover the frame in even numbers of rows.
        """
        # Enlarging needs neighbours, so it works on the whole, which is small then.
        painted = (
            self._enlarged(bands, poll) if self._native != self._size else self._painted(bands)
        )
        painted.pts, painted.time_base = number, 1 / rate
        # Some encoders believe the frame rather than their settings.
        painted.color_range = ColorRange.MPEG
        painted.colorspace, painted.color_primaries, painted.color_trc = (
            (9, 9, 16) if self._hdr else (1, 1, 1)
        )
        return painted

    def _painted(self, bands: Bands) -> av.VideoFrame:
        frame = av.VideoFrame(self._native.width, self._native.height, self._format)
        planes = [samples(plane) for plane in frame.planes]
        for first, band in self._checked(bands):
            for plane, part in zip(planes, self._planes(band), strict=True):
                scale = self._native.height // len(plane)
                start = first // scale
                plane[start : start + len(part)] = part
        return frame

    def _planes(self, band: Band) -> list[NDArray[np.generic]]:
        if self._hdr:
            return hdr10_planes(np.asarray(band, np.float32))
        small = av.VideoFrame.from_ndarray(_bytes(band), format="rgb24")
        made = self._band_to_planes.reformat(
            small,
            format=self._format,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_EXACT,
            threads=1,
        )
        return [samples(plane) for plane in made.planes]

    def _enlarged(self, bands: Bands, poll: Poll) -> av.VideoFrame:
        if self._hdr:
            small = self._painted(bands)
            large = self._enlarge.reformat(
                small, self._size.width, self._size.height, interpolation=_LANCZOS, threads=1
            )
            if self._learned is not None:
                codes = np.asarray(samples(small.planes[0]), np.float32)
                self._write_luma((codes - np.float32(64)) / np.float32(876), large, poll)
            return large
        whole = np.empty((self._native.height, self._native.width, 3), np.uint8)
        for first, band in self._checked(bands):
            whole[first : first + len(band)] = _bytes(band)
        large = self._enlarge.reformat(
            av.VideoFrame.from_ndarray(whole, format="rgb24"),
            self._size.width,
            self._size.height,
            format=self._format,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_LANCZOS,
            threads=1,
        )
        if self._learned is not None:
            self._write_luma(whole.astype(np.float32) @ _LUMA_OF_BYTES, large, poll)
        return large

    def _write_luma(self, small: Floats, large: av.VideoFrame, poll: Poll) -> None:
        assert self._learned is not None  # noqa: S101  # asked for only where it is there
        bits = large.format.components[0].bits
        self._learned.write(small, samples(large.planes[0]), bits, poll)

    def _checked(self, bands: Bands) -> Iterator[tuple[int, Band]]:
        first = 0
        for band in bands:
            if band.shape[1:] != (self._native.width, 3) or len(band) % 2:
                raise ValueError(f"a band is (even, {self._native.width}, 3), got {band.shape}")
            yield first, band
            first += len(band)
        if first != self._native.height:
            raise ValueError(f"bands cover {first} of {self._native.height} rows")


def hdr10_planes(light: Floats) -> list[NDArray[np.generic]]:
    """10-bit Y'CbCr planes, 4:2:0, of linear light `(H, W, 3)`; ITU-R BT.2020, narrow range."""
    red, green, blue = hdr10_rgb(light)
    luma = _weighted(red, green, blue)
    few = [_halved(channel) for channel in (red, green, blue)]
    grey = _weighted(*few)
    planes = (
        (luma, np.float32(876), np.float32(64.5)),
        (few[2] - grey, np.float32(896 / 1.8814), np.float32(512.5)),
        (few[0] - grey, np.float32(896 / 1.4746), np.float32(512.5)),
    )
    return [(plane * scale + base).astype(np.uint16) for plane, scale, base in planes]


def _weighted(red: Floats, green: Floats, blue: Floats) -> Floats:
    return np.asarray(LUMA_2020[0] * red + LUMA_2020[1] * green + LUMA_2020[2] * blue, np.float32)


def _halved(plane: Floats) -> Floats:
    """Means of two by two."""
    rows = plane[::2] + plane[1::2]
    return np.asarray((rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25), np.float32)


def _bytes(band: Band) -> NDArray[np.uint8]:
    if band.dtype == np.uint8:
        return np.ascontiguousarray(band)
    light = np.clip(np.asarray(band, np.float32), 0, 1)
    return np.asarray(light * np.float32(255) + np.float32(0.5)).astype(np.uint8)
