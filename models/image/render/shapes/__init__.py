"""The forty shapes as meshes, in the proportions that layout relies on."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from models.image.render.shapes import built, household, outdoors, primitives, vessels
from models.image.render.shapes.part import Part
from models.image.shapes import PROPORTIONS, ShapeName

MODELS: dict[ShapeName, Callable[[], tuple[Part, ...]]] = {
    "sphere": primitives.sphere,
    "cube": primitives.cube,
    "cylinder": primitives.cylinder,
    "cone": primitives.cone,
    "torus": primitives.torus,
    "pyramid": primitives.pyramid,
    "capsule": primitives.capsule,
    "egg": primitives.egg,
    "disc": primitives.disc,
    "plate": vessels.plate,
    "bowl": vessels.bowl,
    "mug": vessels.mug,
    "bottle": vessels.bottle,
    "vase": vessels.vase,
    "teapot": vessels.teapot,
    "table": household.table,
    "chair": household.chair,
    "stool": household.stool,
    "bench": household.bench,
    "lamp": vessels.lamp,
    "candle": vessels.candle,
    "tree": outdoors.tree,
    "house": built.house,
    "tower": built.tower,
    "arch": primitives.arch,
    "column": primitives.column,
    "stairs": primitives.stairs,
    "mushroom": outdoors.mushroom,
    "snowman": outdoors.snowman,
    "rocket": built.rocket,
    "car": built.car,
    "boat": built.boat,
    "star": primitives.star,
    "heart": primitives.heart,
    "gem": primitives.gem,
    "dumbbell": primitives.dumbbell,
    "hourglass": vessels.hourglass,
    "book": household.book,
    "crate": household.crate,
    "barrel": vessels.barrel,
}

THREE_QUARTER_DEG: dict[ShapeName, float] = {
    "cube": 28.0,
    "pyramid": 24.0,
    "star": 14.0,
    "heart": 16.0,
    "gem": 12.0,
    "dumbbell": -22.0,
    "stairs": -28.0,
    "arch": 20.0,
    "column": 18.0,
    "table": 20.0,
    "chair": 30.0,
    "stool": 12.0,
    "bench": 22.0,
    "book": 24.0,
    "crate": 26.0,
    "house": 26.0,
    "car": -28.0,
    "boat": -20.0,
    "mug": -18.0,
    "teapot": -12.0,
    "rocket": 24.0,
}
"""Turn at yaw 0 of shapes that look best from a corner; modelled facing the viewer."""


@cache
def unit_parts(shape: ShapeName) -> tuple[Part, ...]:
    """The parts of a shape for `size_m` 1: on z = 0, with the radius and height of `PROPORTIONS`."""
    parts = MODELS[shape]()
    turn = THREE_QUARTER_DEG.get(shape, 0.0)
    radius, height, floor = _bounds(parts)
    wanted = PROPORTIONS[shape]
    across, up = wanted.radius / radius, wanted.height / height
    return tuple(
        replace(part, mesh=part.mesh.turned("z", turn).moved(z=-floor).scaled(across, across, up))
        for part in parts
    )


def stretch(shape: ShapeName) -> float:
    """How much taller than modelled a shape is drawn relative to its width; 1 is undistorted."""
    radius, height, _ = _bounds(MODELS[shape]())
    wanted = PROPORTIONS[shape]
    return (wanted.height / height) / (wanted.radius / radius)


def _bounds(parts: tuple[Part, ...]) -> tuple[float, float, float]:
    points = np.concatenate([part.mesh.vertices[np.unique(part.mesh.faces)] for part in parts])
    floor = float(points[:, 2].min())
    radius = float(np.hypot(points[:, 0], points[:, 1]).max())
    return radius, float(points[:, 2].max()) - floor, floor


__all__ = ["stretch", "unit_parts"]
