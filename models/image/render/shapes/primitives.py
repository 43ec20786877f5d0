"""Geometric solids, with the small bevels that real objects have."""

import numpy as np

from models.image.render.mesh import Floats, Mesh, join
from models.image.render.shapes.kit import (
    TAU,
    arc,
    ball,
    box,
    curve,
    fillet,
    loft,
    prism,
    revolve,
    ring,
    rounded_cylinder,
    upright,
)
from models.image.render.shapes.part import BODY, Part

Parts = tuple[Part, ...]


def _body(mesh: Mesh) -> Parts:
    return (Part(mesh, BODY),)


def sphere() -> Parts:
    """A ball."""
    return _body(ball(1.0, rows=56, sections=96))


def cube() -> Parts:
    """A cube with round edges."""
    return _body(box(1.7, 1.7, 1.7, 0.07))


def cylinder() -> Parts:
    """An upright cylinder."""
    return _body(rounded_cylinder(0.75, 1.9, 0.07, 96))


def cone() -> Parts:
    """An upright cone with a soft tip."""
    profile = fillet([(0, 0), (0.9, 0), (0.05, 1.93), (0, 1.95)], 0.06)
    return _body(revolve(profile, 96))


def torus() -> Parts:
    """A ring lying flat."""
    return _body(ring(0.72, 0.28, 112, 48))


def pyramid() -> Parts:
    """A four-sided pyramid."""
    outline = fillet([(-1, -1), (1, -1), (1, 1), (-1, 1)], 0.09, closed=True) * 0.87
    levels = [
        (0.955, 0.0),
        (0.985, 0.012),
        (1.0, 0.05),
        (0.98, 0.09),
        (0.035, 1.575),
        (0.018, 1.595),
        (0.0, 1.6),
    ]
    return _body(_stacked([(outline * s, z) for s, z in levels]))


def capsule() -> Parts:
    """An upright cylinder with domed ends."""
    low = arc((0, 0.55), 0.55, -90, 0)
    high = arc((0, 1.45), 0.55, 0, 90)
    return _body(revolve(np.concatenate([low, high]), 80))


def egg() -> Parts:
    """An egg standing on its broad end."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 56)
    height = 1 + np.sin(angle)
    radius = 0.74 * np.cos(angle) * (1 - 0.17 * np.sin(angle))
    return _body(revolve(np.stack([radius, height], 1), 88))


def disc() -> Parts:
    """A thick coin."""
    return _body(rounded_cylinder(1.0, 0.25, 0.07, 112))


def star() -> Parts:
    """A five-pointed star standing on two points, ridged like an ornament."""
    tips = np.radians(90 + 72 * np.arange(5))
    notches = tips + np.pi / 5
    corners = np.empty((10, 2))
    corners[0::2] = np.stack([np.cos(tips), np.sin(tips)], 1)
    corners[1::2] = 0.47 * np.stack([np.cos(notches), np.sin(notches)], 1)
    outline = fillet([(float(x), float(y)) for x, y in corners], 0.07, closed=True)
    return _body(_ridged(outline, 0.34))


def heart() -> Parts:
    """A plump heart standing on its tip."""
    t = np.linspace(0, TAU, 144, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    outline = np.stack([x, y + 2.5], 1) / 16
    core = np.stack([0.95 * np.sin(t), 0.8 * np.cos(t) + 0.1], 1)
    return _body(_plump(outline, core, 0.46))


def _ridged(outline: Floats, depth: float) -> Mesh:
    """Raise an outline in x-y to a point on both sides, over a narrow rim."""
    rim = 0.05
    spread = np.linspace(1, 0, 10)
    front = [(s, rim + depth * (1 - s)) for s in spread]
    levels = [(s, -z) for s, z in front[::-1]] + front
    return upright(_stacked([(outline * s, z) for s, z in levels]))


def _plump(outline: Floats, core: Floats, depth: float) -> Mesh:
    """Puff up an outline in x-y to both sides, turning into a smoother one on the way in."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 33)
    levels = []
    for a in angle:
        spread, keep = np.cos(a), np.cos(a) ** 1.6
        levels.append(((outline * keep + core * (1 - keep)) * spread, depth * np.sin(a)))
    return upright(_stacked(levels))


def _stacked(levels: list[tuple[Floats, float]]) -> Mesh:
    rings = [np.concatenate([flat, np.full((len(flat), 1), z)], 1) for flat, z in levels]
    return loft(np.stack(rings))


def gem() -> Parts:
    """A brilliant on its point, every facet flat."""
    levels = [
        (0.015, 0.0, 0.0),
        (0.94, 0.84, 0.0),
        (0.94, 0.89, 0.0),
        (0.79, 1.12, -0.5),
        (0.54, 1.3, -1.0),
    ]
    rings = []
    for radius, z, turn in levels:
        angle = (np.arange(8) + turn) * TAU / 8
        rings.append(np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(8, z)], 1))
    return (Part(loft(np.stack(rings)), BODY, crease_deg=3.0),)


def dumbbell() -> Parts:
    """A bar between two weights."""
    weight = revolve(
        fillet([(0, 0), (0.3, 0), (0.4, 0.1), (0.4, 0.44), (0.3, 0.54), (0, 0.54)], 0.05), 64
    ).turned("y", 90)
    profile = curve([(0.1, -0.6), (0.115, -0.3), (0.13, 0.0), (0.115, 0.3), (0.1, 0.6)], 20)
    bar = revolve(profile, 40).turned("y", 90)
    collar = ring(0.13, 0.05, 40, 16).turned("y", 90)
    solid = join(
        weight.moved(x=0.5),
        weight.moved(x=-1.04),
        bar,
        collar.moved(x=0.5),
        collar.moved(x=-0.5),
    )
    return _body(solid.moved(z=0.4))


def stairs() -> Parts:
    """Five steps rising away from the viewer."""
    steps = [
        box(1.5, 1.6 - 0.32 * i, 0.27, 0.025).moved(y=0.16 * i, z=0.26 * i - (0.01 if i else 0))
        for i in range(5)
    ]
    return _body(join(*steps))


def arch() -> Parts:
    """A round gateway of stones."""
    pillar = box(0.42, 0.5, 0.86, 0.03)
    foot = box(0.52, 0.6, 0.14, 0.03)
    stones = []
    for i in range(9):
        wedge = arc((0, 0), 0.53, 1 + 20 * i, 19 + 20 * i, 5)
        outer = arc((0, 0), 0.95, 19 + 20 * i, 1 + 20 * i, 5)
        outline = np.concatenate([wedge, outer])
        centre = outline.mean(0)
        block = prism(outline - centre, 0.5, 0.02, 2).moved(x=centre[0], y=centre[1], z=-0.25)
        stones.append(upright(block).moved(z=0.86))
    sides = [m.moved(x=s * 0.74) for s in (-1, 1) for m in (pillar, foot)]
    return _body(join(*sides, *stones))


def column() -> Parts:
    """A fluted column with base and capital."""
    angle = np.linspace(0, TAU, 144, endpoint=False)
    flute = 1 - 0.07 * np.abs(np.sin(angle * 9)) ** 0.7
    rings = []
    for z in np.linspace(0.3, 1.9, 18):
        radius = 0.3 - 0.045 * ((z - 0.3) / 1.6) ** 1.6
        rings.append(
            np.stack(
                [radius * flute * np.cos(angle), radius * flute * np.sin(angle), np.full(144, z)], 1
            )
        )
    base = revolve(
        fillet(
            [
                (0, 0.12),
                (0.33, 0.12),
                (0.35, 0.17),
                (0.32, 0.21),
                (0.3, 0.23),
                (0.32, 0.28),
                (0.29, 0.32),
                (0, 0.32),
            ],
            0.03,
        )
    )
    capital = revolve(
        fillet(
            [
                (0, 1.88),
                (0.27, 1.88),
                (0.28, 1.93),
                (0.26, 1.95),
                (0.37, 2.06),
                (0.37, 2.08),
                (0, 2.08),
            ],
            0.025,
        )
    )
    slab = box(0.594, 0.594, 0.13, 0.02)
    return _body(join(loft(np.stack(rings)), base, capital, slab, slab.moved(z=2.07)))
