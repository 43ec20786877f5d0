"""Frames traced one by one: exact light, a real lens, scene-linear for HDR10."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from models.core.capability import Run
from models.image.render.grade import displayed, exposed
from models.image.render.view import View
from models.image.schema import Quality
from models.video.backend import Floats, Footage, Lens
from models.video.flight import Moment
from models.video.schema import EngineName, Output, VideoRequest, Views
from models.video.setting import Setting
from models.video.spline import Array

if TYPE_CHECKING:
    from models.image.render.renderer import Renderer

BAND_ROWS: Final = 64
GROUND_M: Final = 0.002
"""Below this height a point is of the ground, not of an object."""


class PathTracer:
    """The engine `path-trace`.

    Args:
        renderer: Traces.
    """

    name: EngineName = "path-trace"

    def __init__(self, renderer: "Renderer") -> None:
        self._renderer = renderer

    def prepare(self, request: VideoRequest, setting: Setting, run: Run) -> Footage:
        """Nothing is needed beforehand but the scene."""
        run.check()
        return TracedFootage(self._renderer, setting, request.quality, request.hdr == "hdr10")


class TracedFootage:
    """A `Footage` of the path tracer."""

    views: Views | None = None
    held_out_psnr_db: float | None = None
    kept: tuple[Path, ...] = ()

    def __init__(
        self, renderer: "Renderer", setting: Setting, quality: Quality, linear: bool
    ) -> None:
        self.linear = linear
        self.degraded = renderer.degraded
        self._renderer, self._setting = renderer, setting
        samples = renderer.samples(quality)
        # Its size and camera stand in for those of each frame.
        self._job = renderer.job(setting.scene, (64, 64), samples, setting.seed, setting.style)

    def bands(self, moment: Moment, lens: Lens, output: Output, run: Run) -> Iterator[Floats]:
        """See `Footage`."""
        view = view_of(moment, lens, self._setting.subject.distance_m)
        job = replace(self._job, view=view, width_px=lens.size.width, height_px=lens.size.height)
        rendering = self._renderer.shoot(job, run.cancelled)
        if output == "rgb":
            light = rendering.color * np.float32(2**moment.ev)
            finish = exposed if self.linear else displayed
            picture = finish(light, self._setting.style.grade, rendering.level)
        else:
            depth = rendering.depth if output == "depth" else _objects(rendering.depth, view)
            picture = np.repeat(depth[..., None].astype(np.float32), 3, -1)
        for first in range(0, lens.size.height, BAND_ROWS):
            yield picture[first : first + BAND_ROWS]


def view_of(moment: Moment, lens: Lens, subject_m: float) -> View:
    """The renderer's camera at a moment; `subject_m` says how soon the ground fades."""
    right, up, back = np.asarray(moment.pose, float)[:3, :3].T
    eye: Array = moment.pose[:3, 3] + lens.aside_m * right
    tangent = float(np.tan(np.radians(moment.fov_deg / 2)))
    return View(
        eye=eye,
        right=right,
        up=up,
        ahead=-back,
        tangent_x=tangent * lens.aspect,
        tangent_y=tangent,
        distance_m=subject_m,
        aperture_m=moment.aperture_m,
        focus_m=moment.focus_m,
        projection=lens.projection,
    )


def _objects(depth: Floats, view: View) -> Floats:
    """1 where something stands on the ground, `(H, W)`."""
    height, width = depth.shape
    rise = view.eye[2] + view.directions(width, height)[..., 2] * depth
    return np.asarray((depth > 0) & (rise > GROUND_M), np.float32)
