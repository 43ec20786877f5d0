"""Pictures of a model become a clip: its rate, its size, its segments, its files."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from models.core.capability import ModelCard, Run, Setup
from models.media.canvas import Band
from models.media.codecs import Encoder, choose_encoder
from models.media.formats import UPSCALERS
from models.media.reel import Reel, Shot, Source
from models.media.size import Size
from models.video.diffusion.generator import DiffusionGenerator
from models.video.enlarged import enlargement
from models.video.generator import Generator, Picture, Plan, Take
from models.video.pace import Pace
from models.video.release import Shelf, Stream, keep_clip, provenance_of
from models.video.runway.generator import RunwayGenerator
from models.video.schema import GeneratorName, VideoRequest, VideoResult
from models.video.studio import Stopwatch, VideoOptions
from models.video.workplace import folder_name, workplace

VERSION: Final = "1.0"
"""Of the frames: another one does not go on with segments of this one."""
MADE, ENCODED = 0.75, 0.97
"""Shares of the progress: until the model is done, and until all frames are encoded."""
SQUEEZED: Final = 0.03
"""Difference in proportions up to which pictures are squeezed; beyond, they are cropped."""


class Maker:
    """Films what engines make up.

    Args:
        setup: Of the capability.
        options: Its settings.
        clips: Folder of unfinished clips.
    """

    def __init__(self, setup: Setup, options: VideoOptions, clips: Path) -> None:
        self._setup, self._clips = setup, clips
        self._generators: Mapping[GeneratorName, Generator] = {
            "diffusion": DiffusionGenerator(setup, options.diffusion),
            "runway": RunwayGenerator(setup, options.runway),
        }

    def cards(self) -> tuple[ModelCard, ...]:
        """The models of all engines, the unavailable ones with the reason."""
        return tuple(card for one in self._generators.values() for card in one.cards())

    def film(
        self, request: VideoRequest, name: GeneratorName, seed: int, run: Run, *, hardware: bool
    ) -> VideoResult:
        """The clip of a request.

        Raises:
            CapabilityError: As the engine says; `StorageFull` keeps finished segments.
        """
        generator = self._generators[name]
        plan = generator.plan(request)
        request = request.model_copy(
            update={"fps": request.fps or plan.fps, "duration_s": plan.seconds}
        )
        encoder = choose_encoder(request.codec, request.size, request.hdr, hardware=hardware)
        work = folder_name(
            {
                "version": VERSION,
                "owner": run.owner,
                "request": request.model_dump(mode="json"),
                "model": [plan.model, plan.version],
                "seed": seed,
                "encoder": [encoder.name, dict(encoder.options)],
                "upscaler": UPSCALERS[request.upscaler],
            }
        )
        with workplace(self._clips, work, run) as folder:
            watch = Stopwatch()
            take = generator.make(request, plan, seed, folder, _share(run))
            watch.lap("model")
            return self._filmed(request, generator, plan, take, seed, folder, encoder, watch, run)

    def _filmed(  # what a clip follows from
        self,
        request: VideoRequest,
        generator: Generator,
        plan: Plan,
        take: Take,
        seed: int,
        folder: Path,
        encoder: Encoder,
        watch: Stopwatch,
        run: Run,
    ) -> VideoResult:
        framed = framing(take.native, request.size)
        wish = request.size, request.rate, request.frames
        reel = Reel(folder / "reel", Shot(encoder, framed, *wish, upscaler=request.upscaler))
        resumed_at = reel.frames_closed
        provenance = provenance_of(request, generator.name, seed)
        shelf = Shelf(self._setup.store, run, provenance.model_copy(update={"model": plan.model}))
        stream = Stream(reel, shelf, request.codec)
        stream.catch_up()
        pace = Pace(take, request, lambda n: _middle(take.picture(n), framed), folder, run)
        for number in reel.shoot(_source(request, pace, run), run.check):
            stream.add(number)
            watch.laps.setdefault("first_segment", round(watch.elapsed_s, 3))
        watch.lap("frames")
        run.progress(ENCODED, "mux")
        target = folder / f"clip.{request.file}"
        assets, sprites = keep_clip(request, reel, stream, shelf, target, seed)
        if take.original is not None:
            own = shelf.keep(take.original, "video/mp4", f"orrery-{seed}-original.mp4")
            assets = assets.model_copy(update={"original": own})
        watch.lap("mux")
        result = VideoResult(
            assets=assets,
            engine=generator.name,
            why="as asked",
            source=f"{generator.name}:{plan.model}",
            geometry="none",
            frames=request.frames,
            fps=float(request.rate),
            duration_s=round(request.frames / float(request.rate), 6),
            seed=seed,
            codec=request.codec,
            encoder=encoder.name,
            native_resolution=(framed.width, framed.height),
            upscale=enlargement(framed, request.size, request.upscaler),
            native_fps=take.fps,
            interpolation=pace.told(),
            credits=take.credits,
            sprites=sprites,
            resumed_at_frame=resumed_at,
            degraded=take.degraded + _cropped(take.native, framed),
            timings_s=watch.laps,
        )
        reel.remove()
        target.unlink(missing_ok=True)
        pace.forget()
        generator.forget(folder)
        run.progress(1.0, "done")
        return result


def framing(native: Size, size: Size) -> Size:
    """The part of a picture that is shown in a clip of this size, both sides even."""
    wanted, given = size.width / size.height, native.width / native.height
    width, height = native
    if wanted < given * (1 - SQUEEZED):
        width = round(height * wanted)
    elif wanted > given * (1 + SQUEEZED):
        height = round(width / wanted)
    return Size(max(2, width // 2 * 2), max(2, height // 2 * 2))


def _source(request: VideoRequest, pace: Pace, run: Run) -> Source:
    def paint(number: int) -> Iterator[Band]:
        run.check()
        yield pace.at(number)
        share = (number + 1) / request.frames
        run.progress(MADE + (ENCODED - MADE) * share, f"frame {number + 1} of {request.frames}")

    return paint


def _middle(picture: Picture, framed: Size) -> Picture:
    top = (picture.shape[0] - framed.height) // 2
    left = (picture.shape[1] - framed.width) // 2
    part = picture[top : top + framed.height, left : left + framed.width]
    return np.ascontiguousarray(part)


def _cropped(native: Size, framed: Size) -> tuple[str, ...]:
    if max(native.width - framed.width, native.height - framed.height) <= 1:
        return ()
    return (f"cropped from {native.width}x{native.height}: the model has no such proportions",)


def _share(run: Run) -> Run:
    """The run as the model sees it: its progress is the first share of the whole."""
    return replace(run, progress=lambda share, stage: run.progress(share * MADE, stage))
