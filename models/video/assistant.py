"""The other side of a range: a segment of a clip that another replica leads."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from models.core.capability import Run, Setup
from models.core.durable import make_folder, write_atomically
from models.core.errors import Conflict
from models.media.codecs import Encoder, choose_encoder
from models.media.reel import Reel
from models.media.size import Size
from models.video.backend import Footage
from models.video.cost import estimate, native_size
from models.video.filming import source_of
from models.video.fitted import FIELD, SCORE
from models.video.parcels import Parcels
from models.video.path import CameraPath
from models.video.posed import GROUND
from models.video.ranges import RangeRequest, RangeResult, cache_id
from models.video.schema import VideoRequest
from models.video.shooting import clip_name, depth_range, reel_of
from models.video.studio import FIELDS, SCENE_FILE, Studio, path_of

FIELD_FILES: Final = (FIELD, SCORE, GROUND)


@dataclass(frozen=True)
class _Scene:
    """What the last range was of, ready for the next one of the same clip."""

    clip: str
    reel: Reel
    footage: Footage
    path: CameraPath
    native: Size
    near_far: tuple[float, float]


class Assistant:
    """Films segments for others.

    Args:
        setup: Of the capability.
        studio: Prepares what is filmed.
        clips: Folder of unfinished clips.
        hardware: Whether a GPU may encode.
    """

    def __init__(
        self, setup: Setup, studio: Studio, clips: Path, hardware: Callable[[], bool]
    ) -> None:
        self._store = setup.store
        self._fields = setup.cache_dir / FIELDS
        self._studio, self._clips, self._hardware = studio, clips, hardware
        self._name = uuid4().hex
        self._last: _Scene | None = None

    def rest(self) -> None:
        """Let go of what the next range would have begun with."""
        self._last = None

    def film(self, request: RangeRequest, run: Run) -> RangeResult:
        """The segment; it is durable where the asker finds it.

        Raises:
            Cancelled: The asker has left, or films it itself.
            Conflict: This replica would encode the clip differently.
            StorageFull: There is no room here.
        """
        run.progress(0.0, "range")
        run.check()
        if not self._has_field(request):
            return RangeResult(by=self._name, lacks_field=True)
        scene = self._scene(request, run)
        frames = scene.reel.span(request.number)

        def painted(number: int) -> None:
            run.progress((number - frames.start + 1) / len(frames), "range")

        source = source_of(
            scene.footage, scene.path, scene.native, request.video.output, scene.near_far,
            run, painted,
        )  # fmt: skip
        scene.reel.film(request.number, source, run.check)
        run.check()
        return self._handed_over(request, scene.reel)

    def _handed_over(self, request: RangeRequest, reel: Reel) -> RangeResult:
        if request.cache == cache_id(self._clips):
            return RangeResult(by=self._name)
        parcels = self._parcels(request)
        init, media = parcels.send(reel.init), parcels.send(reel.segment(request.number))
        return RangeResult(by=self._name, init=init, media=media)

    def _parcels(self, request: RangeRequest) -> Parcels:
        return Parcels(self._store, self._clips / request.clip)

    def _has_field(self, request: RangeRequest) -> bool:
        """Bring the field from the store, if it is not here."""
        if request.field is None:
            return True
        folder = self._fields / request.field
        missing = {
            name: asset
            for name, asset in request.field_files.items()
            if name in FIELD_FILES and not (folder / name).exists()
        }
        for name, asset in missing.items():
            if asset is None:
                return False
            write_atomically(folder / name, self._parcels(request).open(asset))
        return True

    def _scene(self, request: RangeRequest, run: Run) -> _Scene:
        if self._last is None or self._last.clip != request.clip:
            self._last = None  # before the next takes its place in memory
            self._last = self._prepared(request, run)
        return self._last

    def _prepared(self, request: RangeRequest, run: Run) -> _Scene:
        video = request.video
        engine = estimate(video).engine
        assert engine in ("nerf", "path-trace", "layers")  # noqa: S101  # the others are not divided
        encoder = self._encoder(request, run)
        folder = self._clips / request.clip
        make_folder(folder)
        os.utime(folder)  # still wanted: see sweep
        kept = folder / SCENE_FILE
        if request.scene is not None and not kept.exists():
            write_atomically(kept, request.scene.model_dump_json().encode())
        quiet = Run(run.owner, run.request_id, run.cancelled)
        place = self._studio.place(video, request.seed, folder, quiet)
        return _Scene(
            request.clip,
            reel_of(video, engine, encoder, folder),
            self._studio.footage(engine, video, place, quiet),
            path_of(video, place),
            native_size(video, engine),
            depth_range(place),
        )

    def _encoder(self, request: RangeRequest, run: Run) -> Encoder:
        video: VideoRequest = request.video
        encoder = choose_encoder(video.codec, video.size, video.hdr, hardware=self._hardware())
        if clip_name(video, request.seed, encoder, run.owner) != request.clip:
            raise Conflict(f"this replica makes another clip of it: its encoder is {encoder.name}")
        return encoder
