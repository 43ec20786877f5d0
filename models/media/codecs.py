"""Video codecs: which encoder writes them, into which files, with how much memory.

Every encoder is set to write frames in the order they are shown (no B-frames): segments made by
separate encoders then join without a gap, and the memory of look-ahead is saved.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any, Final

import av

from models.core.errors import InvalidInput, ModelUnavailable
from models.media.formats import HDR_CODECS, CodecName, Range
from models.media.size import Size

LARGE_PX: Final = 4096 * 2160
"""Above it the presets that need little memory are used."""
THREADS: Final = 4
"""The same everywhere: some encoders' bytes depend on it, and a resumed clip may change machines."""

MASTERING: Final = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
"""A display with P3 primaries, white D65, 1000 to 0.0001 cd/m²; units of SMPTE ST 2086."""
MASTERING_AV1: Final = "G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001)"
LIGHT_LEVEL: Final = "1000,400"
"""Brightest pixel and brightest frame average, cd/m²: bounds of what frames are clipped to."""


@dataclass(frozen=True)
class Encoder:
    """One way to write a codec.

    Attributes:
        codec: What it writes.
        name: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the planes it takes.
        options: FFmpeg's options.
        tag: Four-character code that players expect in the file.
        hardware: Whether a GPU encodes.
        frames_each: After how many frames another encoder takes over with a key frame, so that the
            memory of those that it keeps is bounded; 0 where one encodes all.
    """

    codec: CodecName
    name: str
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    hardware: bool = False
    frames_each: int = 0

    def opened(self, container: Any, size: Size, rate: Fraction, key_every: int) -> Any:  # noqa: ANN401 - PyAV's streams
        """A stream of this encoder in an output container."""
        stream = container.add_stream(self.name, rate=rate)
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, self.pixel_format
        context = stream.codec_context
        context.thread_count = THREADS
        context.gop_size = key_every
        context.options = dict(self.options)
        context.time_base = 1 / rate
        hdr = "10le" in self.pixel_format and self.codec != "prores"
        context.color_range = 1
        context.color_primaries = 9 if hdr else 1
        context.color_trc = 16 if hdr else 1
        context.colorspace = 9 if hdr else 1
        if self.tag:
            context.codec_tag = self.tag
        return stream


_HDR10: Final = (
    f"hdr10=1:repeat-headers=1:master-display={MASTERING}:max-cll={LIGHT_LEVEL}:"
    "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
)
X265_FRAMES: Final = {False: 3, True: 2}
"""x265 keeps four frames at least, each with its coefficients and motion: 0.40 GB at 8K, and 0.54 GB
at 10 bits, which only HDR10 asks for."""
SVT_FRAMES: Final = 6
"""SVT-AV1 begins with 0.8 GB at 8K and 10 bits, and grows by 0.05 GB a frame."""
_X265: Final = "log-level=error:scenecut=0:open-gop=0:bframes=0:pools=4"


def _h264(size: Size, _hdr: bool) -> Encoder:
    if size.pixels > LARGE_PX:
        options = {"preset": "ultrafast", "crf": "21", "tune": "zerolatency"}
    else:
        options = {"preset": "veryfast", "crf": "19", "bf": "0"}
    return Encoder("h264", "libx264", "yuv420p", options | {"sc_threshold": "0"}, "avc1")


def _hevc(size: Size, hdr: bool) -> Encoder:
    parts = [_X265, *([_HDR10] if hdr else [])]
    if size.pixels > LARGE_PX:
        parts.append("rc-lookahead=0:frame-threads=1:ref=1")
        # Quality would pulse where every other frame is a key frame of the usual, better one.
        parts.append("ipratio=1")
    large = size.pixels > LARGE_PX
    preset = "ultrafast" if large else "veryfast"
    options = {"preset": preset, "crf": "21", "x265-params": ":".join(parts)}
    return Encoder(
        "hevc", "libx265", "yuv420p10le" if hdr else "yuv420p", options, "hvc1",
        frames_each=X265_FRAMES[hdr] if large else 0,
    )  # fmt: skip


def _av1(size: Size, hdr: bool) -> Encoder:
    large = size.pixels > LARGE_PX
    # Each level of parallelism holds further pictures; one more core is not worth 3 GB.
    parts = [f"lp={1 if large else THREADS}:pred-struct=1:scd=0:lookahead=0"]
    if large:
        parts.append("rtc=1")
    if hdr:
        parts.append(f"mastering-display={MASTERING_AV1}:content-light={LIGHT_LEVEL}")
    options = {
        "preset": "12" if large else "10",
        "crf": "30",
        "svtav1-params": ":".join(parts),
    }
    return Encoder(
        "av1", "libsvtav1", "yuv420p10le" if hdr else "yuv420p", options,
        frames_each=SVT_FRAMES if large else 0,
    )  # fmt: skip


def _vp9(_size: Size, _hdr: bool) -> Encoder:
    options = {
        "deadline": "realtime", "cpu-used": "7", "crf": "31", "b": "0", "row-mt": "1",
        "tile-columns": "4", "lag-in-frames": "0", "auto-alt-ref": "0",
    }  # fmt: skip
    return Encoder("vp9", "libvpx-vp9", "yuv420p", options)


def _prores(_size: Size, _hdr: bool) -> Encoder:
    return Encoder("prores", "prores_ks", "yuv422p10le", {"profile": "3"})


_SOFTWARE: Final = {"h264": _h264, "hevc": _hevc, "av1": _av1, "vp9": _vp9, "prores": _prores}
_NVENC: Final[Mapping[CodecName, Encoder]] = {
    "h264": Encoder(
        "h264", "h264_nvenc", "yuv420p",
        {"preset": "p4", "rc": "vbr", "cq": "21", "bf": "0", "forced-idr": "1"}, "avc1", True,
    ),
    "hevc": Encoder(
        "hevc", "hevc_nvenc", "yuv420p",
        {"preset": "p4", "rc": "vbr", "cq": "23", "bf": "0", "forced-idr": "1"}, "hvc1", True,
    ),
    "av1": Encoder(
        "av1", "av1_nvenc", "yuv420p", {"preset": "p4", "rc": "vbr", "cq": "28", "bf": "0"},
        None, True,
    ),
}  # fmt: skip


def choose_encoder(
    codec: CodecName, size: Size, dynamic_range: Range = "none", *, hardware: bool = False
) -> Encoder:
    """The encoder of a codec: a GPU's where it is wished and opens, else a software one.

    Args:
        codec: What to write.
        size: Of the frames.
        dynamic_range: `hdr10` is written by software, whose metadata is known to be right.
        hardware: Whether a GPU may encode.

    Raises:
        InvalidInput: The codec cannot hold this.
        ModelUnavailable: This build of FFmpeg lacks the encoder.
    """
    hdr = dynamic_range == "hdr10"
    if hdr and codec not in HDR_CODECS:
        raise InvalidInput(f"HDR10 needs codec hevc or av1, got {codec}")
    if hardware and not hdr and codec in _NVENC and opens(_NVENC[codec].name, size):
        return _NVENC[codec]
    encoder = _SOFTWARE[codec](size, hdr)
    if encoder.name not in av.codecs_available:
        raise ModelUnavailable(f"this build of FFmpeg has no {encoder.name}; choose another codec")
    return encoder


@cache
def opens(name: str, size: Size) -> bool:
    """Whether an encoder can be opened: FFmpeg lists those of absent hardware too."""
    if name not in av.codecs_available:
        return False
    try:
        with av.open(os.devnull, "w", format="null") as container:
            stream: Any = container.add_stream(name, rate=24)
            stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
            stream.encode(av.VideoFrame(size.width, size.height, "yuv420p"))
            stream.encode(None)
    except (av.error.FFmpegError, OSError):
        return False
    return True
