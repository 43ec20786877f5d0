"""Names of codecs and files, and which go together."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

CodecName: TypeAlias = Literal["h264", "hevc", "av1", "vp9", "prores"]
Container: TypeAlias = Literal["mp4", "webm", "mov"]
Range: TypeAlias = Literal["none", "hdr10"]
"""High dynamic range; `none` is standard, BT.709."""
UpscalerName: TypeAlias = Literal["lanczos", "learned"]
"""What enlarges frames: a filter, or a network that was taught what the filter lacks."""
UPSCALERS: Final[Mapping[UpscalerName, str]] = {"lanczos": "1", "learned": "1.0"}
"""Their versions: frames of another one do not continue a clip."""

CONTAINERS: Final[Mapping[CodecName, tuple[Container, ...]]] = {
    "h264": ("mp4", "mov"),
    "hevc": ("mp4", "mov"),
    "av1": ("mp4", "webm"),
    "vp9": ("mp4", "webm"),
    "prores": ("mov",),
}
"""Files that each codec may lie in; the first is the usual one."""
STREAMED: Final[frozenset[CodecName]] = frozenset({"h264", "hevc", "av1", "vp9"})
"""Codecs that players take from HLS playlists."""
HDR_CODECS: Final[frozenset[CodecName]] = frozenset({"hevc", "av1"})
