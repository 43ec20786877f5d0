"""The video capability: a flight through a scene becomes a clip that plays before it is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from models.core.capability import ModelCard, Run, Setup
from models.core.errors import InvalidInput
from models.core.seeds import SEED_LIMIT, derive, draw_seed
from models.image.schema import Scene
from models.media.codecs import Encoder, choose_encoder
from models.media.reel import Reel, Shot
from models.media.size import Size
from models.video import chart
from models.video.backend import Footage
from models.video.cost import estimate, native_size
from models.video.filming import source_of
from models.video.making import Maker
from models.video.path import CameraPath
from models.video.release import Shelf, Stream, provenance_of, release
from models.video.schema import (
    EngineName,
    Enlargement,
    Estimate,
    PathRequest,
    PathResult,
    VideoRequest,
    VideoResult,
    engine_cards,
)
from models.video.setting import Place, Setting
from models.video.studio import FIELDS, Stopwatch, Studio, VideoOptions, path_of
from models.video.workplace import folder_name, sweep, workplace

VERSION: Final = "1.0"
"""Of the frames: another one does not go on with segments of this one."""
FRAMES_FROM, FRAMES_TO = 0.3, 0.97
"""Shares of the progress that filming lies between where something is prepared before it."""
NEAR, FAR = 0.35, 4.0
"""White and black of depth, in distances of the subject."""


class VideoModel:
    """Films scenes. It is ready at once: what takes long to load is loaded for the first clip."""

    def __init__(self, setup: Setup) -> None:
        self._options = VideoOptions.model_validate(setup.options)
        self._setup = setup
        self._studio = Studio(setup, self._options)
        self._clips = setup.cache_dir / "clips"
        self._maker = Maker(setup, self._options, self._clips)
        for folder in (self._clips, setup.cache_dir / FIELDS):
            sweep(folder)

    def cards(self) -> tuple[ModelCard, ...]:
        """The engines that film scenes, and the models of those that make up what is seen."""
        films = tuple(
            ModelCard(name=card.name, version=VERSION, device=self._setup.device)
            for card in engine_cards()
            if card.name in ("nerf", "path-trace", "layers")
        )
        return films + self._maker.cards()

    def run(self, request: VideoRequest | PathRequest, run: Run) -> VideoResult | PathResult:
        """Film a request, or only show the path that it would take.

        Raises:
            Cancelled: Nobody waits for it any more.
            InvalidInput: The path leads through an object.
            StorageFull: There is no room; finished segments are kept for the next attempt.
            TooLarge: It would take more than is accepted.
        """
        run.check()
        video = request.video if isinstance(request, PathRequest) else request
        seed = _seed_of(video, run)
        if video.generator is not None:
            if isinstance(request, PathRequest):
                raise InvalidInput(f"engine {video.generator} has no camera, and so no path")
            hardware = self._may_use_hardware()
            return self._maker.film(video, video.generator, seed, run, hardware=hardware)
        told = estimate(video)
        encoder = choose_encoder(
            video.codec, video.size, video.hdr, hardware=self._may_use_hardware()
        )
        with workplace(self._clips, self._name(video, seed, encoder, run), run) as folder:
            place = self._studio.place(video, seed, folder, run)
            path = path_of(video, place)
            if isinstance(request, PathRequest):
                return self._shown(video, path, place, told, run)
            return self._filmed(video, path, place, encoder, told, run)

    def _may_use_hardware(self) -> bool:
        return self._options.hardware_encoders and self._setup.device != "cpu"

    def _name(self, request: VideoRequest, seed: int, encoder: Encoder, run: Run) -> str:
        return folder_name(
            {
                "version": VERSION,
                "owner": run.owner,
                "request": request.model_dump(mode="json"),
                "seed": seed,
                "encoder": [encoder.name, dict(encoder.options)],
            }
        )

    def _shown(
        self, request: VideoRequest, path: CameraPath, place: Place, told: Estimate, run: Run
    ) -> PathResult:
        provenance = provenance_of(request, "path", place.seed)
        shelf = Shelf(self._setup.store, run, provenance)
        picture = chart.draw_path(path, place.boxes)
        asset = shelf.keep(picture, chart.MEDIA_TYPE, "path.png")
        return PathResult(path=path, chart=asset, scene=_scene_in(place), estimate=told)

    def _filmed(
        self,
        request: VideoRequest,
        path: CameraPath,
        place: Place,
        encoder: Encoder,
        told: Estimate,
        run: Run,
    ) -> VideoResult:
        watch = Stopwatch()
        engine = told.engine
        assert engine in ("nerf", "path-trace", "layers")  # noqa: S101  # the others have no paths
        native = native_size(request, engine)
        shot = Shot(
            encoder, native, request.size, request.rate, request.frames, request.hdr == "hdr10"
        )
        reel = Reel(place.folder / "reel", shot)
        resumed_at = reel.frames_closed
        shelf = Shelf(self._setup.store, run, provenance_of(request, told.engine, place.seed))
        stream = Stream(reel, shelf, request)
        for number in range(reel.closed):
            stream.add(number)
        footage = self._studio.footage(engine, request, place, run)
        watch.lap("prepare")
        near_far = _depth_range(place)
        source = source_of(
            footage,
            path,
            native,
            request.output,
            near_far,
            run,
            _frame_progress(request, footage, run),
        )
        for number in reel.shoot(source):
            stream.add(number)
            watch.laps.setdefault("first_segment", round(watch.elapsed_s, 3))
        watch.lap("frames")
        run.progress(FRAMES_TO, "mux")
        assets, sprites = release(request, reel, stream, shelf, path, place)
        watch.lap("mux")
        result = VideoResult(
            assets=assets,
            engine=told.engine,
            why=told.why,
            source=_source_of(place, engine),
            geometry=_geometry_of(footage, engine),
            frames=request.frames,
            fps=float(request.rate),
            duration_s=round(request.frames / float(request.rate), 6),
            seed=place.seed,
            codec=request.codec,
            encoder=encoder.name,
            native_resolution=(native.width, native.height),
            upscale=_enlargement(native, request.size),
            views=footage.views,
            held_out_psnr_db=footage.held_out_psnr_db,
            layered=place.layered(),
            depth_range_m=near_far if request.output == "depth" else None,
            sprites=sprites,
            scene=_scene_in(place),
            resumed_at_frame=resumed_at,
            degraded=footage.degraded + place.notes(path),
            timings_s=watch.laps,
        )
        reel.remove()
        _clip_of(request, place.folder).unlink(missing_ok=True)
        run.progress(1.0, "done")
        return result


def _seed_of(request: VideoRequest, run: Run) -> int:
    """As asked; else the same for every attempt at a task, and another for every task."""
    if request.seed is not None:
        return request.seed
    return draw_seed() if run.request_id == "-" else derive(0, run.request_id) % SEED_LIMIT


def _frame_progress(request: VideoRequest, footage: Footage, run: Run) -> Callable[[int], None]:
    start = FRAMES_FROM if footage.views else 0.02

    def told(number: int) -> None:
        share = (number + 1) / request.frames
        run.progress(start + (FRAMES_TO - start) * share, f"frame {number + 1} of {request.frames}")

    return told


def _source_of(place: Place, engine: EngineName) -> str:
    if engine == "layers":
        return "picture"
    return "scene" if isinstance(place, Setting) else "photos"


def _geometry_of(footage: Footage, engine: EngineName) -> Literal["layers", "multi-view", "exact"]:
    if engine == "layers":
        return "layers"
    return "multi-view" if footage.views else "exact"


def _scene_in(place: Place) -> Scene | None:
    return place.scene if isinstance(place, Setting) else None


def _depth_range(place: Place) -> tuple[float, float]:
    distance = place.subject.distance_m
    return round(NEAR * distance, 4), round(FAR * distance, 4)


def _enlargement(native: Size, size: Size) -> Enlargement | None:
    return None if native == size else Enlargement(factor=round(size.width / native.width, 3))


def _clip_of(request: VideoRequest, folder: Path) -> Path:
    return folder / f"clip.{request.file}"
