"""What requests may choose from: the engines, and usual sizes."""

from collections.abc import Mapping
from typing import get_args

from pydantic import JsonValue

from models.core.capability import Value
from models.core.offer import Wish
from models.video.schema import EngineName, GeneratorName


class Resolution(Value):
    """A usual size of frames."""

    name: str
    width: int
    height: int


class EngineCard(Value):
    """An engine that requests may ask for."""

    name: EngineName | GeneratorName
    description: str


def resolutions() -> tuple[Resolution, ...]:
    """Usual sizes; any even ones up to 8K may be asked for."""
    table = (
        ("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720), ("1080p", 1920, 1080),
        ("1440p", 2560, 1440), ("4K UHD", 3840, 2160), ("4K DCI", 4096, 2160),
        ("8K UHD", 7680, 4320), ("8K DCI", 8192, 4320), ("vertical 720p", 720, 1280),
        ("vertical 1080p", 1080, 1920), ("vertical 4K", 2160, 3840), ("square", 1080, 1080),
    )  # fmt: skip
    return tuple(Resolution(name=n, width=w, height=h) for n, w, h in table)


def engine_cards() -> tuple[EngineCard, ...]:
    """The engines."""
    return (
        EngineCard(
            name="path-trace", description="exact light, every frame traced; lens and HDR10"
        ),
        EngineCard(name="nerf", description="a field fitted to traced views; cheap frames"),
        EngineCard(
            name="layers", description="a picture with depth, seen from nearby; seconds a clip"
        ),
        EngineCard(name="diffusion", description="a video model of this machine; no camera"),
        EngineCard(name="runway", description="a provider's video models; needs a key, costs"),
    )


def film_wish(arguments: Mapping[str, JsonValue]) -> Wish | None:
    """Which optional model a `VideoRequest` needs; engines that film scenes are always there."""
    engine = arguments.get("engine")
    if engine not in get_args(GeneratorName):
        return None
    return Wish(str(engine), str(arguments.get("model") or ""))
