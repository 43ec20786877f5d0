"""What of a request every replica that films a part of it has to see alike."""

from pathlib import Path
from typing import Final

from models.media.codecs import Encoder
from models.media.formats import UPSCALERS
from models.media.reel import Reel, Shot
from models.video.cost import native_size
from models.video.schema import EngineName, VideoRequest
from models.video.setting import Place
from models.video.workplace import folder_name

VERSION: Final = "1.0"
"""Of the frames: another one does not go on with segments of this one."""
NEAR, FAR = 0.35, 4.0
"""White and black of depth, in distances of the subject."""
HOW: Final = frozenset({"parallel", "proxy"})
"""Fields of a request that say how it is filmed, and shape no frame."""


def clip_name(request: VideoRequest, seed: int, encoder: Encoder, owner: str) -> str:
    """Of the folder of a clip: the same wherever and however often it is filmed."""
    return folder_name(
        {
            "version": VERSION,
            "owner": owner,
            "request": request.model_dump(mode="json", exclude=set(HOW)),
            "seed": seed,
            "encoder": [encoder.name, dict(encoder.options)],
            "upscaler": UPSCALERS[request.upscaler],
        }
    )


def reel_of(request: VideoRequest, engine: EngineName, encoder: Encoder, folder: Path) -> Reel:
    """The segments of a clip in its folder."""
    native = native_size(request, engine)
    hdr = request.hdr == "hdr10"
    shot = Shot(encoder, native, request.size, request.rate, request.frames, hdr, request.upscaler)
    return Reel(folder / "reel", shot)


def depth_range(place: Place) -> tuple[float, float]:
    """What is white and what is black in depth, in metres."""
    distance = place.subject.distance_m
    return round(NEAR * distance, 4), round(FAR * distance, 4)
