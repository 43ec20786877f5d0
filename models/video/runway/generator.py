"""The engine `runway`: clips of a provider."""

import base64
import importlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import ImageOps

from models.core.capability import ModelCard, Run, Setup
from models.core.errors import InvalidInput, ModelUnavailable, UpstreamUnavailable
from models.image.sources import read_source
from models.media.size import Size
from models.video.generator import Plan, Take
from models.video.runway.offer import DEFAULT, FPS, MODELS, Model
from models.video.runway.options import RunwayOptions
from models.video.schema import DEFAULT_DURATION_S, GeneratorName, VideoRequest

if TYPE_CHECKING:
    from models.video.runway.provider import Provider

SECRET: Final = "runway_api_key"  # noqa: S105  # the name of one
NO_KEY: Final = (
    "engine runway needs a key of the provider: set secrets.video.runway_api_key, or "
    "ORRERY_SECRETS__VIDEO__RUNWAY_API_KEY"
)
JPEG_QUALITY: Final = 92
"""Keeps a picture of the largest size well below the 5 MB that the provider takes."""


class RunwayGenerator:
    """Asks Runway for clips.

    Args:
        setup: Of the capability.
        options: Of the engine.
    """

    name: GeneratorName = "runway"

    def __init__(self, setup: Setup, options: RunwayOptions) -> None:
        self._store, self._options = setup.store, options
        self._key = setup.secrets.get(SECRET)
        self._provider: Provider | None = None

    def cards(self) -> tuple[ModelCard, ...]:
        """See `Generator`."""
        missing = self._key is None
        return tuple(
            ModelCard(
                name=name,
                version="runway",
                kind=self.name,
                device="provider",
                available=not missing,
                reason=NO_KEY if missing else None,
            )
            for name in MODELS
        )

    def plan(self, request: VideoRequest) -> Plan:
        """See `Generator`."""
        name, model = _chosen(request)
        if self._key is None:
            raise ModelUnavailable(NO_KEY)
        seconds = request.duration_s or DEFAULT_DURATION_S
        if model.length(seconds) is None:
            raise InvalidInput(f"{name} makes clips of at most {model.seconds[-1]} s")
        return Plan(name, "runway", FPS, seconds)

    def make(self, request: VideoRequest, plan: Plan, seed: int, folder: Path, run: Run) -> Take:
        """See `Generator`."""
        waiting = importlib.import_module("models.video.runway.waiting")
        playing = importlib.import_module("models.video.runway.playing")
        body = self._body(request, plan, seed, run)
        kind = "text_to_video" if request.image is None else "image_to_video"
        errand = waiting.Errand(self._connected(), self._options, folder)
        path, spent = errand.fetch(kind, body, run)
        try:
            player = playing.Player(path)
        except UpstreamUnavailable:
            self.forget(folder)
            raise
        notes = []
        if not MODELS[plan.model].seeded:
            notes.append(f"{plan.model} takes no seed: another clip will look different")
        if player.frames / player.fps < plan.seconds - 1 / player.fps:
            notes.append(
                f"the provider's clip ends after {player.frames / player.fps:.2f} s: its last "
                "picture stays"
            )
        return Take(
            native=player.size,
            fps=player.fps,
            frames=player.frames,
            picture=player.picture,
            credits=spent,
            original=path,
            degraded=tuple(notes),
        )

    def forget(self, folder: Path) -> None:
        """See `Generator`; the task's id stays for some days, so that nothing is paid twice."""
        (folder / "runway.mp4").unlink(missing_ok=True)

    def _connected(self) -> "Provider":
        if self._key is None:
            raise ModelUnavailable(NO_KEY)
        if self._provider is None:
            module = importlib.import_module("models.video.runway.provider")
            self._provider = module.Provider(self._options, self._key)
        return self._provider

    def _body(self, request: VideoRequest, plan: Plan, seed: int, run: Run) -> dict[str, Any]:
        model = MODELS[plan.model]
        size = model.size(request.size, image=request.image is not None)
        body: dict[str, Any] = {
            "model": plan.model,
            "ratio": f"{size.width}:{size.height}",
            "duration": model.length(plan.seconds),
        }
        if request.prompt:
            body["promptText"] = request.prompt
        if model.seeded:
            body["seed"] = seed
        if model.sound:
            body["audio"] = False  # clips here are silent, and sound costs more
        if request.image is not None:
            body["promptImage"] = self._picture(request, size, run)
        return body

    def _picture(self, request: VideoRequest, size: Size, run: Run) -> str:
        assert request.image is not None  # noqa: S101  # asked by the caller
        picture = read_source(request.image, run.owner, self._store)
        buffer = io.BytesIO()
        ImageOps.fit(picture, size).save(buffer, "JPEG", quality=JPEG_QUALITY)
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _chosen(request: VideoRequest) -> tuple[str, Model]:
    name = request.model or (DEFAULT if request.image is None else "gen4_turbo")
    if name not in MODELS:
        raise ModelUnavailable(f"runway has no model {name!r} here; there are {', '.join(MODELS)}")
    model = MODELS[name]
    if request.image is None and not model.text:
        raise InvalidInput(f"{name} begins with a picture: give an image")
    return name, model
