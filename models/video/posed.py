"""Pictures of a scene from all sides, for a field to be fitted to.

The field holds the objects and the ground near them; the ground beyond and the sky are drawn
behind it (`surroundings`), since they reach farther than any grid.
"""

import io
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.core.capability import Run
from models.core.durable import write_atomically
from models.image.render.grade import displayed
from models.image.render.mesh import Floats as Lengths
from models.image.styles import Grade
from models.media.size import Size
from models.video.backend import Floats, Lens
from models.video.camera import Camera, look_at
from models.video.flight import Moment
from models.video.pathtrace import GROUND_M, view_of
from models.video.setting import Setting
from models.video.spline import Array

if TYPE_CHECKING:
    from models.image.render.renderer import Renderer
    from models.video.nerf.views import Views

LOWEST_DEG, HIGHEST_DEG = 4.0, 72.0
"""Elevations that views are taken from."""
NEARER: Final = 0.9
DISC: Final = 1.6
"""Radius of the ground within the field, in reaches of the objects: most shadows fall within it, and
the tracer's backdrop has hardly begun to fade. Wider would leave fewer voxels for the objects."""
RIM: Final = 0.82
"""Where the ground's opacity begins to fall, in radii of the disc."""
TURN: Final = math.pi * (3 - math.sqrt(5))
"""Golden angle: views by it never line up (Vogel 1979)."""
VIEW_SAMPLES: Final = 2
GROUND: Final = "ground.json"


@dataclass(frozen=True, eq=False)
class Near:
    """The part of the world that the field holds.

    Attributes:
        centre: `(2,)` metres, on the ground.
        disc_m: Radius of the ground in it.
    """

    centre: Array
    disc_m: float

    def ground(self, away: Floats) -> Floats:
        """Opacity of the ground at distances from the centre: 1 within, 0 beyond the disc."""
        share = np.clip((self.disc_m - away) / (self.disc_m * (1 - RIM)), 0, 1)
        return np.asarray(share * share * (3 - 2 * share), np.float32)


def near_of(setting: Setting) -> Near:
    """What of a setting lies near."""
    low, high = setting.boxes[:, 0].min(0), setting.boxes[:, 1].max(0)
    centre = (low + high)[:2] / 2
    corners = setting.boxes[:, :, :2].reshape(-1, 2) - centre
    return Near(centre, DISC * float(np.linalg.norm(corners, axis=1).max()))


def plain(grade: Grade) -> Grade:
    """A grade without what depends on the place in the frame: a field has no frame."""
    return replace(grade, vignette=0.0, bloom=0.0, grain=0.0)


def posed_views(
    renderer: "Renderer", setting: Setting, count: int, side_px: int, run: Run
) -> tuple["Views", Floats]:
    """Traced views, each kept as a file once it is there; and the light of the open ground, `(3,)`.

    Raises:
        Cancelled: Nobody waits for them.
    """
    from models.video.nerf.views import Views, every_eighth  # noqa: PLC0415  # with the engine

    job = renderer.job(setting.scene, (side_px, side_px), VIEW_SAMPLES, setting.seed, setting.style)
    near, lens = near_of(setting), Lens(Size(side_px, side_px), 1.0)
    cameras, images, grounds = [], [], []
    for number, moment in enumerate(_moments(setting, count)):
        run.check()
        run.progress(number / count, f"view {number + 1} of {count}")
        kept = setting.folder / "views" / f"{number:03d}.png"
        if not kept.exists():
            view = view_of(moment, lens, setting.subject.distance_m)
            rendering = renderer.shoot(replace(job, view=view), run.cancelled)
            ways = view.directions(side_px, side_px)
            alpha, open_ground = _opacity(rendering.depth, view.eye, ways, near)
            code = displayed(rendering.color, plain(setting.style.grade), rendering.level)
            light = rendering.color[open_ground]
            found = np.median(light, 0).tolist() if len(light) else None
            write_atomically(kept.with_suffix(".json"), json.dumps(found).encode())
            write_atomically(kept, _png(np.concatenate([code, alpha[..., None]], -1)))
        images.append(np.asarray(Image.open(kept)))
        grounds.append(json.loads(kept.with_suffix(".json").read_bytes()))
        cameras.append(Camera(moment.pose, moment.fov_deg, side_px, side_px))
    seen = [ground for ground in grounds if ground is not None]
    ground = np.median(seen, 0) if seen else np.zeros(3)
    views = Views(np.stack(images), tuple(cameras), every_eighth(count), "scene")
    write_atomically(setting.folder / GROUND, json.dumps(ground.tolist()).encode())
    return views, ground.astype(np.float32)


def kept_ground(folder: Path) -> Floats | None:
    """The light of the open ground that `posed_views` kept, if it has."""
    kept = folder / GROUND
    return np.array(json.loads(kept.read_bytes()), np.float32) if kept.exists() else None


def _moments(setting: Setting, count: int) -> list[Moment]:
    """Spread over the sky above the ground, evenly by area, all looking at the middle."""
    low, high = (math.sin(math.radians(angle)) for angle in (LOWEST_DEG, HIGHEST_DEG))
    subject = setting.subject
    # Frames may be wide; views are square and see as much to the sides as up and down.
    corners = setting.boxes.reshape(-1, 3) - subject.centre
    reach = max(float(np.linalg.norm(corners, axis=1).max()), near_of(setting).disc_m)
    distance = NEARER * subject.distance_m
    fov = 2 * math.degrees(math.asin(min(0.9, reach / distance)))
    found = []
    for index in range(count):
        rise = low + (high - low) * (index + 0.5) / count
        level = math.sqrt(1 - rise * rise)
        way = np.array([level * math.cos(index * TURN), level * math.sin(index * TURN), rise])
        eye = subject.centre + distance * way
        eye[2] = max(eye[2], 0.05)
        pose = np.array(look_at(eye, subject.centre))
        found.append(Moment(pose, fov, math.inf, 0.0, 0.0))
    return found


def _opacity(
    depth: Floats, eye: Lengths, ways: Floats, near: Near
) -> tuple[Floats, NDArray[np.bool_]]:
    """Alpha `(H, W)`: 1 on objects, falling over the ground; and where open ground is seen."""
    place = eye + ways * depth[..., None]
    away = np.linalg.norm(place[..., :2] - near.centre, axis=-1).astype(np.float32)
    stands = place[..., 2] > GROUND_M * 4
    alpha = np.where(depth > 0, np.where(stands, away < near.disc_m, near.ground(away)), 0)
    open_ground = (depth > 0) & ~stands & (np.abs(away / near.disc_m - 1) < 0.08)
    return alpha.astype(np.float32), open_ground


def _png(rgba: Floats) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
