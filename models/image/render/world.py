"""A scene as triangles: where every object stands and what its surface is."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from models.image.render.colors import Pixels, linear
from models.image.render.mesh import Floats, corner_normals, rotation
from models.image.render.rest import resting_height
from models.image.render.shapes import unit_parts
from models.image.render.shapes.part import Surface
from models.image.schema import Material, Scene, SceneObject
from models.image.shapes import ShapeName

Kind = Literal["ground", "opaque", "glass", "frosted", "glow"]
FROSTED_ABOVE = 0.16
TRANSMISSIVE_ABOVE = 0.5


@dataclass(frozen=True)
class Triangles:
    """Unindexed triangles of one kind of surface; every array has a row per corner.

    Attributes:
        positions: `(N, 3)`.
        normals: `(N, 3)`.
        color: `(N, 3)`, linear reflectance or transmittance.
        traits: `(N, 4)`: roughness, metallic, clearcoat, glow.
    """

    positions: Pixels
    normals: Pixels
    color: Pixels
    traits: Pixels


@dataclass(frozen=True)
class Piece:
    """One part of one object in the world."""

    kind: Kind
    triangles: Triangles


@cache
def unit_triangles(shape: ShapeName) -> tuple[tuple[Pixels, Pixels, Surface], ...]:
    """Corner positions and normals, `(N, 3)` each, of every part at `size_m` 1."""
    out = []
    for part in unit_parts(shape):
        corners = part.mesh.vertices[part.mesh.faces].reshape(-1, 3).astype(np.float32)
        normals = corner_normals(part.mesh, part.crease_deg).reshape(-1, 3).astype(np.float32)
        out.append((corners, normals, part.surface))
    return tuple(out)


def unit_points(shape: ShapeName) -> Pixels:
    """Corners of all triangles of a shape at `size_m` 1, `(N, 3)`."""
    return np.concatenate([corners for corners, _, _ in unit_triangles(shape)])


def turn(thing: SceneObject) -> Floats:
    """`(3, 3)` rotation of an object about its axis."""
    return rotation("z", thing.yaw_deg)


def placed_points(thing: SceneObject, height_m: float) -> Pixels:
    """Corners of an object's triangles in the world, its base at a height."""
    points = unit_points(thing.shape) * thing.size_m @ turn(thing).T
    return (points + np.array([*thing.position, height_m])).astype(np.float32)


def base_heights(scene: Scene) -> tuple[float, ...]:
    """Height of each object's base: on the ground, or where it comes to rest on its supporter."""
    heights: dict[int, float] = {}

    def settle(index: int) -> float:
        if index not in heights:
            thing = scene.objects[index]
            heights[index] = 0.0
            if thing.on is not None:
                below = placed_points(scene.objects[thing.on], settle(thing.on))
                heights[index] = resting_height(placed_points(thing, 0.0), below)
        return heights[index]

    return tuple(settle(index) for index in range(len(scene.objects)))


@dataclass(frozen=True, eq=False)
class Look:
    """The surface of one part.

    Attributes:
        kind: How light meets it.
        color: `(3,)`, linear reflectance or transmittance.
        traits: `(4,)`, see `Triangles`.
    """

    kind: Kind
    color: Pixels
    traits: Pixels


def looks(thing: SceneObject, *, accents: bool = True) -> tuple[Look, ...]:
    """The surface of every part of an object, in the order of `unit_triangles`."""
    surfaces = [surface for _, _, surface in unit_triangles(thing.shape)]
    return tuple(_look(surface if accents else _plain(surface), thing) for surface in surfaces)


def pieces(scene: Scene, *, accents: bool = True) -> tuple[Piece, ...]:
    """Every part of every object, placed and coloured.

    Args:
        scene: What is drawn.
        accents: Whether parts keep fixed colours and materials of their own.
    """
    out = []
    for thing, height in zip(scene.objects, base_heights(scene), strict=True):
        matrix = turn(thing)
        shift = np.array([*thing.position, height])
        surfaces = looks(thing, accents=accents)
        for (corners, normals, _), look in zip(unit_triangles(thing.shape), surfaces, strict=True):
            count = len(corners)
            out.append(
                Piece(
                    look.kind,
                    Triangles(
                        (corners * thing.size_m @ matrix.T + shift).astype(np.float32),
                        (normals @ matrix.T).astype(np.float32),
                        np.tile(look.color, (count, 1)),
                        np.tile(look.traits, (count, 1)),
                    ),
                )
            )
    return tuple(out)


def _plain(surface: Surface) -> Surface:
    return surface if surface.glow else Surface(shade=surface.shade)


def _look(surface: Surface, thing: SceneObject) -> Look:
    color = np.clip(linear(surface.color or thing.color) * surface.shade, 0, 0.92)
    if surface.glow:
        traits = np.array([1, 0, 0, surface.glow], np.float32)
        return Look("glow", color.astype(np.float32), traits)
    material = surface.material or thing.material
    traits = np.array(
        [max(material.roughness, 0.04), material.metallic, material.clearcoat, 0], np.float32
    )
    if material.transmission > TRANSMISSIVE_ABOVE:
        kind: Kind = "frosted" if material.roughness > FROSTED_ABOVE else "glass"
        return Look(kind, _transmittance(color), traits)
    return Look("opaque", _reflectance(color, material), traits)


def _transmittance(color: Pixels) -> Pixels:
    """Per crossing: light crosses a solid twice, and deep colours would turn it black."""
    return np.asarray(0.12 + 0.88 * np.sqrt(color), np.float32)


def _reflectance(color: Pixels, material: Material) -> Pixels:
    """Metals reflect rather than absorb: lift their darkest colours."""
    lifted = color + material.metallic * 0.04
    return np.asarray(np.clip(lifted, 0.0, 0.95), np.float32)
