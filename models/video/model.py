"""The video capability: a flight through a scene becomes a clip that plays before it is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from models.core.capability import ModelCard, Run, Setup
from models.core.errors import InvalidInput
from models.core.seeds import SEED_LIMIT, derive, draw_seed
from models.image.schema import Scene
from models.media.codecs import Encoder, choose_encoder
from models.media.reel import Reel
from models.video import chart
from models.video.assistant import Assistant
from models.video.backend import Footage
from models.video.cost import Proxy, estimate, frames_s, native_size, proxy_of
from models.video.crew import Crew, helpers_for
from models.video.enlarged import enlargement
from models.video.filming import source_of
from models.video.making import Maker
from models.video.offer import engine_cards
from models.video.parcels import Parcels
from models.video.path import CameraPath
from models.video.proxy import Kept, film_proxy, forget_proxy
from models.video.ranges import Courier, RangeRequest, RangeResult, cache_id
from models.video.release import Shelf, Stream, provenance_of, release
from models.video.schema import (
    EngineName,
    Estimate,
    PathRequest,
    PathResult,
    VideoRequest,
    VideoResult,
)
from models.video.setting import Place, Setting
from models.video.shooting import VERSION, clip_name, depth_range, reel_of
from models.video.studio import FIELDS, Stopwatch, Studio, VideoOptions, path_of
from models.video.workplace import sweep, workplace

PROXY_SHARE: Final = 0.05
FRAMES_FROM, FRAMES_TO = 0.3, 0.97
"""Shares of the progress that filming lies between where something is prepared before it, and of a
small film that is made first."""


class VideoModel:
    """Films scenes. It is ready at once: what takes long to load is loaded for the first clip."""

    def __init__(self, setup: Setup) -> None:
        self._options = VideoOptions.model_validate(setup.options)
        self._setup = setup
        self._studio = Studio(setup, self._options)
        self._clips = setup.cache_dir / "clips"
        self._maker = Maker(setup, self._options, self._clips)
        self._assistant = Assistant(setup, self._studio, self._clips, self._may_use_hardware)
        sweep(self._clips, lambda folder: Parcels(setup.store, folder).forget())
        sweep(setup.cache_dir / FIELDS)

    def cards(self) -> tuple[ModelCard, ...]:
        """The engines that film scenes, and the models of those that make up what is seen."""
        films = tuple(
            ModelCard(name=card.name, version=VERSION, kind=card.name, device=self._setup.device)
            for card in engine_cards()
            if card.name in ("nerf", "path-trace", "layers")
        )
        return films + self._maker.cards()

    def run(
        self, request: VideoRequest | PathRequest | RangeRequest, run: Run
    ) -> VideoResult | PathResult | RangeResult:
        """Film a request, a part of one, or only show the path that it would take.

        Raises:
            Cancelled: Nobody waits for it any more.
            InvalidInput: The path leads through an object.
            StorageFull: There is no room; finished segments are kept for the next attempt.
            TooLarge: It would take more than is accepted.
        """
        run.check()
        if isinstance(request, RangeRequest):
            return self._assistant.film(request, run)
        self._assistant.rest()
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
        with workplace(self._clips, clip_name(video, seed, encoder, run.owner), run) as folder:
            place = self._studio.place(video, seed, folder, run)
            path = path_of(video, place)
            if isinstance(request, PathRequest):
                return self._shown(video, path, place, told, run)
            return self._filmed(video, path, place, encoder, told, run)

    def _may_use_hardware(self) -> bool:
        return self._options.hardware_encoders and self._setup.device != "cpu"

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
        reel = reel_of(request, engine, encoder, place.folder)
        resumed_at = reel.frames_closed
        shelf = Shelf(self._setup.store, run, provenance_of(request, told.engine, place.seed))
        stream, proxy = Stream(reel, shelf, request.codec), proxy_of(request)
        if proxy is None:
            stream.catch_up()
        footage = self._studio.footage(engine, request, place, run)
        watch.lap("prepare")
        small = None
        if proxy is not None:
            # Where the whole can be played already, players must not be sent back to the small one.
            shown = reel.closed == 0
            small = self._small(request, proxy, path, place, footage, shelf, shown=shown)
            stream.catch_up(small.note)
            watch.lap("proxy")
        near_far = depth_range(place)
        source = source_of(
            footage, path, native, request.output, near_far, run, lambda _number: None
        )

        def closed(number: int) -> None:
            stream.add(number)
            watch.laps.setdefault("first_segment", round(watch.elapsed_s, 3))

        crew = self._crew(request, reel, place, footage, run, 0.0 if small is None else PROXY_SHARE)
        crew.shoot(source, closed)
        watch.lap("frames")
        run.progress(FRAMES_TO, "mux")
        assets, sprites = release(request, reel, stream, shelf, path, place)
        if small is not None:
            made = {"proxy": small.video, "proxy_playlist": small.playlist}
            assets = assets.model_copy(update=made)
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
            upscale=enlargement(native, request.size, request.upscaler),
            views=footage.views,
            held_out_psnr_db=footage.held_out_psnr_db,
            layered=place.layered(),
            depth_range_m=near_far if request.output == "depth" else None,
            sprites=sprites,
            scene=_scene_in(place),
            resumed_at_frame=resumed_at,
            replicas=1 + len(crew.helped_by),
            degraded=footage.degraded + place.notes(path),
            timings_s=watch.laps,
        )
        reel.remove()
        forget_proxy(place)
        _clip_of(request, place.folder).unlink(missing_ok=True)
        run.progress(1.0, "done")
        return result

    def _small(
        self,
        request: VideoRequest,
        proxy: Proxy,
        path: CameraPath,
        place: Place,
        footage: Footage,
        shelf: Shelf,
        *,
        shown: bool,
    ) -> Kept:
        """The small film, in standard range whatever the whole is in."""
        run, start = shelf.run, _start(footage)
        if footage.linear:
            plain = request.model_copy(update={"hdr": "none", "quality": "draft"})
            footage = self._studio.footage("path-trace", plain, place, run)

        def told(share: float) -> None:
            run.progress(start + PROXY_SHARE * share, "proxy")

        return film_proxy(proxy, path, place, footage, request.output, shelf, told, shown=shown)

    def _crew(
        self,
        request: VideoRequest,
        reel: Reel,
        place: Place,
        footage: Footage,
        run: Run,
        shown: float,
    ) -> Crew:
        """Whoever films the clip; the same bytes, however many they are."""
        order = RangeRequest(
            clip=place.folder.name,
            number=0,
            video=request,
            seed=place.seed,
            scene=_scene_in(place),
            cache=cache_id(self._clips),
            field=footage.kept[0].parent.name if footage.kept else None,
            field_files={path.name: None for path in footage.kept},
        )
        parcels = Parcels(self._setup.store, place.folder)
        courier = Courier(parcels, reel, order, footage.kept)
        missing = sum(not reel.is_closed(number) for number in range(reel.segments))
        helpers = helpers_for(run, request.parallel, missing, frames_s(request))
        told = _frame_progress(request, footage, run, shown)
        return Crew(reel, run, helpers, courier, told)


def _seed_of(request: VideoRequest, run: Run) -> int:
    """As asked; else the same for every attempt at a task, and another for every task."""
    if request.seed is not None:
        return request.seed
    return draw_seed() if run.request_id == "-" else derive(0, run.request_id) % SEED_LIMIT


def _start(footage: Footage) -> float:
    return FRAMES_FROM if footage.views else 0.02


def _frame_progress(
    request: VideoRequest, footage: Footage, run: Run, shown: float
) -> Callable[[int], None]:
    start = _start(footage) + shown

    def told(done: int) -> None:
        share = done / request.frames
        run.progress(start + (FRAMES_TO - start) * share, f"frame {done} of {request.frames}")

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


def _clip_of(request: VideoRequest, folder: Path) -> Path:
    return folder / f"clip.{request.file}"
