"""Engines that make up what is seen: no scene, no camera, pictures out of a model."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.core.capability import ModelCard, Run
from models.media.size import Size
from models.video.schema import GeneratorName, VideoRequest

Picture = NDArray[np.uint8]
"""SRGB, `(H, W, 3)`."""


@dataclass(frozen=True)
class Plan:
    """What a request asks of a model; made before anything is loaded or paid.

    Attributes:
        model: As requests name it.
        version: Of its weights, or of the provider's interface.
        fps: At which it moves; the clip's own where the request names none.
        seconds: How long the clip will be.
    """

    model: str
    version: str
    fps: float
    seconds: float


@dataclass(frozen=True)
class Take:
    """Pictures of a model, on their way into a clip.

    Attributes:
        native: Their size.
        fps: At which they move.
        frames: How many there are.
        picture: Gives one; numbers never fall.
        credits: Charged by a provider.
        original: A provider's own file.
        degraded: What was lacking, and what that cost.
    """

    native: Size
    fps: float
    frames: int
    picture: Callable[[int], Picture] = field(repr=False)
    credits: float | None = None
    original: Path | None = None
    degraded: tuple[str, ...] = ()


class Generator(Protocol):
    """Makes clips up. `make` may be called from several threads at once."""

    name: GeneratorName

    def cards(self) -> tuple[ModelCard, ...]:
        """Its models; one that cannot be used says why and what to do."""
        ...

    def plan(self, request: VideoRequest) -> Plan:
        """Which model, how fast and how long.

        Raises:
            ModelUnavailable: There is none, or not the one that was asked for.
            InvalidInput: The model cannot make what is asked for.
        """
        ...

    def make(self, request: VideoRequest, plan: Plan, seed: int, folder: Path, run: Run) -> Take:
        """The pictures; finished parts are kept in the folder, so that a retry goes on."""
        ...

    def forget(self, folder: Path) -> None:
        """The clip is kept: drop what a retry would have needed."""
        ...
