"""Frames of a field that was fitted to traced views: what is in common is dear, frames are cheap."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from models.core.capability import Run
from models.video.backend import Floats, Footage, Lens
from models.video.camera import Camera
from models.video.cost import VIEW_COUNT, VIEW_PX
from models.video.fitted import FIELD, SCORE, bands_of, camera_of, field_of, kept_field
from models.video.flight import Moment
from models.video.posed import GROUND, kept_ground, posed_views
from models.video.schema import EngineName, Output, VideoRequest, Views
from models.video.setting import Setting
from models.video.surroundings import Surroundings
from models.video.workplace import folder_name, workplace

if TYPE_CHECKING:
    from models.image.render.renderer import Renderer
    from models.video.nerf.baked import BakedField

VERSION: Final = 1
"""Of what is kept; another one is made anew."""
VIEWS_SHARE, FIT_SHARE = 0.16, 0.3
"""Shares of the progress at which the views and the fit are done."""
STANDS_M: Final = 0.02
"""Above this height a field's point is of an object: fields are not as sharp as the tracer."""
WITHOUT: Final = (
    "engine nerf leaves out what a style does to the frame as a whole (vignette, bloom, grain) and "
    "shadows that reach far beyond the objects"
)


class FieldEngine:
    """The engine `nerf`.

    Args:
        renderer: Traces the views.
        views: How many.
        side_px: Size of each.
        iterations: Of the fit.
    """

    name: EngineName = "nerf"

    def __init__(
        self,
        renderer: "Renderer",
        views: int = VIEW_COUNT,
        side_px: int = VIEW_PX,
        iterations: int = 1000,
    ) -> None:
        self._renderer = renderer
        self._views, self._side_px, self._iterations = views, side_px, iterations

    def prepare(self, request: VideoRequest, setting: Setting, run: Run) -> Footage:
        """Trace the views, fit, bake; each is kept, and serves every camera in the same scene."""
        with workplace(setting.fields, self._key(setting), run) as folder:
            return self._prepared(replace(setting, folder=folder), run)

    def _key(self, setting: Setting) -> str:
        return folder_name(
            {
                "version": VERSION,
                "scene": setting.scene.model_dump(mode="json"),
                "style": setting.style.name,
                "seed": setting.seed,
                "distance_m": round(setting.subject.distance_m, 6),
                "fit": [self._views, self._side_px, self._iterations],
            }
        )

    def _prepared(self, setting: Setting, run: Run) -> Footage:
        found = kept_field(setting.folder)
        ground = kept_ground(setting.folder)
        if found is None or ground is None:
            found, ground = self._fitted(setting, run)
        return FieldFootage(
            *found,
            Surroundings(setting, ground),
            Views(count=self._views, resolution=(self._side_px, self._side_px)),
            self._renderer.degraded,
            tuple(setting.folder / name for name in (FIELD, SCORE, GROUND)),
        )

    def _fitted(self, setting: Setting, run: Run) -> "tuple[tuple[BakedField, float], Floats]":
        from models.video.nerf.settings import FitSettings  # noqa: PLC0415  # with the engine

        part = replace(run, progress=lambda f, stage: run.progress(f * VIEWS_SHARE, stage))
        views, ground = posed_views(self._renderer, setting, self._views, self._side_px, part)
        settings = FitSettings(iterations=self._iterations, seed=setting.seed)
        fitting = replace(run, progress=lambda f, _: run.progress(_between(f), "fit"))
        kept = kept_field(setting.folder)
        return kept or field_of(views, settings, setting.folder, fitting), ground


class FieldFootage:
    """A `Footage` of a baked field."""

    linear = False

    def __init__(
        self,
        field: "BakedField",
        psnr_db: float,
        surroundings: Surroundings,
        views: Views,
        degraded: tuple[str, ...],
        kept: tuple[Path, ...],
    ) -> None:
        self._field, self._surroundings, self.kept = field, surroundings, kept
        self.views: Views | None = views
        self.held_out_psnr_db: float | None = round(psnr_db, 2)
        self.degraded = (*degraded, WITHOUT)

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        """See `Footage`."""
        camera = camera_of(moment, lens)
        backdrop = self._surroundings.behind(moment, lens)
        for band in bands_of(lens.size):
            run.check()
            frame = self._field.render(camera, band)
            if output == "rgb":
                yield backdrop.behind(frame, self._sky, 2 ** (moment.ev / 2.2), band.start)
                continue
            depth = _depth(camera, band, frame.alpha, frame.depth)
            if output == "alpha":
                _, ways = camera.rays(band)
                rise = camera.eye[2] + ways[..., 2] * frame.depth
                depth = np.where(rise > STANDS_M, frame.alpha, 0)
            yield np.repeat(depth[..., None], 3, -1).astype(np.float32)

    @property
    def _sky(self) -> Floats:
        return np.asarray(self._field.baked.sky[0, 0], np.float32)


def _depth(camera: Camera, rows: range, alpha: Floats, depth: Floats) -> Floats:
    """Metres to the field, or to the ground beyond it."""
    _, ways = camera.rays(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(ways[..., 2] < -1e-5, -camera.eye[2] / ways[..., 2], 0)
    return np.where(alpha > 0.5, depth, ground).astype(np.float32)


def _between(fraction: float) -> float:
    return VIEWS_SHARE + (FIT_SHARE - VIEWS_SHARE) * fraction
