"""Holds a sampled scene to its brief and to the limits of the contract."""

from dataclasses import replace

import numpy as np

from models.image.scene import phrases
from models.image.scene.brief import Brief
from models.image.scene.colour import hex_of
from models.image.scene.company import joined
from models.image.scene.layout import solve
from models.image.scene.lexicon import surface_kinds
from models.image.scene.staging import ELEVATION_DEG, FRAMING, Staged, tastes
from models.image.schema import Camera, Ground, Scene, SceneObject
from models.image.shapes import PROPORTIONS, SHAPE_NAMES

FURTHEST_M = 6.0
MAX_AZIMUTH_DEG = 15.0
_FACED_YAW_DEG = 20.0
_SIZE_SPREAD = 0.15
_POLISHED = 0.3


def scene_of(brief: Brief, staged: Staged) -> Scene:
    """Hold a sampled scene to its brief and to the limits of the contract."""
    staged = _held_to(brief, staged)
    shapes = [SHAPE_NAMES[wanted.shape] for wanted in brief.objects]
    radii = staged.sizes_m * [PROPORTIONS[shape].radius for shape in shapes]
    layout = solve(radii, staged.positions, joined(brief), brief.arrangement)
    positions = layout.positions * min(1.0, FURTHEST_M / max(np.abs(layout.positions).max(), 1e-9))
    objects = tuple(
        SceneObject(
            shape=shape,
            color=hex_of(staged.colors[at]),
            material=surface_kinds()[staged.surfaces[at]].surface,
            size_m=round(float(np.clip(staged.sizes_m[at] * layout.scales[at], 0.05, 2)), 4),
            position=(round(float(positions[at, 0]), 4), round(float(positions[at, 1]), 4)),
            yaw_deg=round(float(np.clip(staged.yaws_deg[at], -180, 180)), 1),
            on=layout.supports[at],
        )
        for at, shape in enumerate(shapes)
    )
    return Scene(
        objects=objects,
        ground=Ground(
            color=hex_of(staged.ground),
            roughness=round(float(np.clip(staged.ground_roughness, 0.1, 1)), 3),
        ),
        light=phrases.LIGHT_NAMES[staged.light],
        camera=_camera(brief, staged),
    )


def _held_to(brief: Brief, staged: Staged) -> Staged:
    """Put what the brief states in the place of what was sampled; copies look alike."""
    first: dict[int, int] = {}
    for at, wanted in enumerate(brief.objects):
        first.setdefault(wanted.group, at)
    leaders = [first[wanted.group] for wanted in brief.objects]
    colors, sizes = staged.colors[leaders].copy(), staged.sizes_m[leaders].copy()
    surfaces = [staged.surfaces[leader] for leader in leaders]
    yaws = staged.yaws_deg.copy()
    for at, wanted in enumerate(brief.objects):
        if wanted.color is not None:
            colors[at] = wanted.color
        if wanted.surface is not None:
            surfaces[at] = wanted.surface
        factor = 1.0 if wanted.size is None else phrases.SIZE_FACTORS[wanted.size]
        typical = PROPORTIONS[SHAPE_NAMES[wanted.shape]].typical_size_m * factor
        sizes[at] = np.clip(sizes[at], typical * (1 - _SIZE_SPREAD), typical * (1 + _SIZE_SPREAD))
        if tastes()[wanted.shape].faced:
            yaws[at] = np.clip(yaws[at], -_FACED_YAW_DEG, _FACED_YAW_DEG)
    return replace(
        staged,
        colors=colors,
        surfaces=tuple(surfaces),
        sizes_m=sizes,
        yaws_deg=yaws,
        ground=np.array(brief.ground_color) if brief.ground_color else staged.ground,
        ground_roughness=_roughness(brief, staged),
        light=staged.light if brief.light is None else brief.light,
    )


def _roughness(brief: Brief, staged: Staged) -> float:
    if brief.ground_surface is None:
        return staged.ground_roughness
    return surface_kinds()[brief.ground_surface].surface.roughness


def _camera(brief: Brief, staged: Staged) -> Camera:
    elevation = np.clip(staged.elevation_deg, *ELEVATION_DEG[brief.elevation])
    framing = np.clip(staged.framing, *FRAMING[brief.framing])
    azimuth = np.clip(staged.azimuth_deg, -MAX_AZIMUTH_DEG, MAX_AZIMUTH_DEG)
    return Camera(
        azimuth_deg=round(float(azimuth), 2),
        elevation_deg=round(float(elevation), 2),
        framing=round(float(framing), 3),
    )
