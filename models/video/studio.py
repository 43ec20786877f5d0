"""What clips are made with, loaded when the first clip needs it."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from models.core.capability import Run, Setup, Value
from models.core.durable import write_atomically
from models.image.schema import Scene
from models.image.styles import style_named
from models.video.backend import Engine, Footage
from models.video.cost import native_size
from models.video.diffusion.options import DiffusionOptions
from models.video.nerfstudio import from_nerfstudio
from models.video.path import CameraPath, NerfstudioPath, Preset
from models.video.presets import named_in
from models.video.runway.options import RunwayOptions
from models.video.schema import EngineName, VideoRequest
from models.video.setting import Place, Setting, check_clear, set_up

if TYPE_CHECKING:
    from models.image.render.renderer import Renderer
    from models.image.scene import SceneDiffusion
    from models.video.layers.estimator import Estimator

SCENE_FILE = "scene.json"
FIELDS = "fields"
"""Folder of what fits of scenes gave."""


class VideoOptions(Value):
    """The capability's settings, `args.options.video` of the configuration.

    Attributes:
        libllvm: Path of a libLLVM, where the one that is found is not the right one.
        hardware_encoders: Whether a GPU may encode, where one was given to the replica.
        diffusion: Of that engine.
        runway: Of that engine.
        depth: Folder of an estimator of depth in transformers' format, such as Depth Anything, for
            pictures without.
    """

    libllvm: str | None = None
    hardware_encoders: bool = True
    diffusion: DiffusionOptions = DiffusionOptions()
    runway: RunwayOptions = RunwayOptions()
    depth: Path | None = None


class Studio:
    """Composes scenes and prepares engines; each is loaded once, when it is first needed.

    The path tracer and the reader of prompts take seconds and hundreds of megabytes, which a
    service that is asked for no clip need not spend.

    Args:
        setup: What the capability is built from.
        options: Its settings.
    """

    def __init__(self, setup: Setup, options: VideoOptions) -> None:
        self._setup, self._options = setup, options
        self._composer: SceneDiffusion | None = None
        self._renderer: Renderer | None = None
        self._estimator: Estimator | None = None
        self._engines: dict[EngineName, Engine] = {}

    def place(self, request: VideoRequest, seed: int, folder: Path, run: Run) -> Place:
        """What a request films: its photographs, or its scene."""
        if request.picture is not None:
            return self._picture_place(request, seed, folder, run)
        if request.photos is None:
            return self._setting(request, seed, folder, run)
        from models.video.photowork import photo_place  # noqa: PLC0415  # where photos are

        run.progress(0.0, "photos")
        setup = self._setup
        fields = setup.cache_dir / FIELDS
        return photo_place(request.photos, seed, folder, fields, setup.store, run)

    def footage(self, name: EngineName, request: VideoRequest, place: Place, run: Run) -> Footage:
        """What an engine prepared of a place."""
        if isinstance(place, Setting):
            return self._engine(name).prepare(request, place, run)
        if name == "layers":
            from models.video.picturework import LayerEngine, PicturePlace  # noqa: PLC0415

            assert isinstance(place, PicturePlace)  # noqa: S101  # see cost.choose
            return LayerEngine().prepare(request, place, run)
        from models.video.photowork import PhotoEngine, PhotoPlace  # noqa: PLC0415  # see place

        assert isinstance(place, PhotoPlace)  # noqa: S101  # there are no others
        return PhotoEngine().prepare(request, place, run)

    def _picture_place(self, request: VideoRequest, seed: int, folder: Path, run: Run) -> Place:
        from models.video.picturework import picture_place  # noqa: PLC0415  # where pictures are

        assert request.picture is not None  # noqa: S101  # see place
        run.progress(0.0, "picture")
        return picture_place(
            request.picture,
            native_size(request, "layers"),
            seed,
            (folder, self._setup.cache_dir / FIELDS),
            self._setup.store,
            self._depth_estimator,
            run,
        )

    def _depth_estimator(self) -> "Estimator | None":
        if self._estimator is None and self._options.depth is not None:
            module = importlib.import_module("models.video.layers.estimator")  # loads torch
            self._estimator = module.Estimator(self._options.depth, self._setup.device)
        return self._estimator

    def _setting(self, request: VideoRequest, seed: int, folder: Path, run: Run) -> Setting:
        """The scene of a request, composed once for all attempts at it."""
        kept = folder / SCENE_FILE
        if request.scene is not None:
            scene = request.scene
        elif kept.exists():
            scene = Scene.model_validate_json(kept.read_bytes())
        else:
            run.progress(0.0, "scene")
            scene = self._composed(request.prompt, seed)
            write_atomically(kept, scene.model_dump_json().encode())
        run.check()
        style, fields = style_named(request.style), self._setup.cache_dir / FIELDS
        return set_up(scene, style, request.size, seed, folder, fields)

    def _engine(self, name: EngineName) -> Engine:
        if name not in self._engines:
            self._engines[name] = self._built(name)
        return self._engines[name]

    def _built(self, name: EngineName) -> Engine:
        from models.video.fieldwork import FieldEngine  # noqa: PLC0415  # loads the renderer
        from models.video.pathtrace import PathTracer  # noqa: PLC0415  # the same

        return FieldEngine(self._tracer()) if name == "nerf" else PathTracer(self._tracer())

    def _tracer(self) -> "Renderer":
        if self._renderer is None:
            from models.image.render.renderer import Renderer  # noqa: PLC0415  # takes a second

            self._renderer = Renderer(
                self._options.libllvm, self._setup.cache_dir, self._setup.device
            )
        return self._renderer

    def _composed(self, prompt: str, seed: int) -> Scene:
        if self._composer is None:
            from models.image.scene import SceneDiffusion  # noqa: PLC0415  # loads torch

            self._composer = SceneDiffusion.load(cache=self._setup.cache_dir / "words")
        return self._composer.compose(prompt, seed).scene


def path_of(request: VideoRequest, place: Place) -> CameraPath:
    """The path that a request asks for, expanded.

    Raises:
        InvalidInput: It leads through an object or underground.
    """
    camera = request.camera
    if isinstance(camera, NerfstudioPath):
        camera = from_nerfstudio(camera)
    if isinstance(camera, CameraPath):
        path = camera.model_copy(update={"fps": request.frames_per_s})
    else:
        preset = camera or Preset(preset=named_in(request.prompt))
        path = place.flight(preset, request.seconds, request.frames_per_s)
    if isinstance(place, Setting):
        check_clear(path, place)
    return place.within(path)


class Stopwatch:
    """Wall-clock seconds of consecutive stages."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.laps: dict[str, float] = {}
        self._clock = clock
        self._started = self._last = clock()

    @property
    def elapsed_s(self) -> float:
        """Since the start."""
        return self._clock() - self._started

    def lap(self, stage: str) -> None:
        """Close a stage."""
        now = self._clock()
        self.laps[stage] = round(now - self._last, 3)
        self._last = now
