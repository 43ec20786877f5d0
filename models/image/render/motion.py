"""Scenes in motion: each frame is a scene, a light and a camera that stays where it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.image.render.lights import OWN_LIGHT, Lighting
from models.image.render.mesh import rotation
from models.image.render.view import View, fit
from models.image.render.world import pieces
from models.image.schema import Motion, Scene, SceneObject
from models.image.styles import Style

POSES = 12
"""Poses of a turntable that the camera must take in."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame.

    Attributes:
        scene: What stands where.
        lighting: The light at this moment.
        view: The same camera throughout.
    """

    scene: Scene
    lighting: Lighting
    view: View


def moments(
    scene: Scene,
    motion: Motion,
    style: Style,
    size_px: tuple[int, int],
    lighting: Lighting = OWN_LIGHT,
) -> Iterator[Moment]:
    """Every frame of a motion; the one after the last would be the first."""
    view = _view(scene, motion, style, size_px)
    for number in range(motion.frames):
        degrees = 360 * number / motion.frames
        turned = replace(lighting, turn_deg=lighting.turn_deg + degrees)
        light = turned if motion.kind == "light" else lighting
        yield Moment(_posed(scene, motion, degrees), light, view)


def _posed(scene: Scene, motion: Motion, degrees: float) -> Scene:
    if motion.kind == "light":
        return scene
    places = np.array([thing.position for thing in scene.objects])
    if motion.kind == "turntable":
        centre = (places.min(0) + places.max(0)) / 2
        places = (places - centre) @ rotation("z", degrees)[:2, :2].T + centre
    things = (
        _turned(thing, (float(x), float(y)), degrees)
        for thing, (x, y) in zip(scene.objects, places, strict=True)
    )
    return scene.model_copy(update={"objects": tuple(things)})


def _turned(thing: SceneObject, position: tuple[float, float], degrees: float) -> SceneObject:
    return thing.model_copy(update={"position": position, "yaw_deg": thing.yaw_deg + degrees})


def _view(scene: Scene, motion: Motion, style: Style, size_px: tuple[int, int]) -> View:
    """A camera that sees the scene in every pose."""
    poses = [_posed(scene, motion, 360 * step / POSES) for step in range(POSES)]
    points = [
        part.triangles.positions
        for pose in (poses if motion.kind != "light" else poses[:1])
        for part in pieces(pose, accents=style.accents)
    ]
    return fit(scene.camera, np.concatenate(points), *size_px)
