"""Furniture, and what lies on it."""

import numpy as np

from models.image.render.mesh import Mesh, join
from models.image.render.shapes.kit import (
    box,
    column_between,
    curve,
    fillet,
    prism,
    rounded_cylinder,
    tube,
    upright,
)
from models.image.render.shapes.part import BODY, DARKER, PAPER, SLIGHTLY_DARKER, Part, Surface

Parts = tuple[Part, ...]


def table() -> Parts:
    """A dining table."""
    top = box(1.75, 1.45, 0.11, 0.035).moved(z=1.04)
    apron = [box(1.44, 0.05, 0.14, 0.012).moved(y=s * 0.56, z=0.91) for s in (-1, 1)] + [
        box(0.05, 1.14, 0.14, 0.012).moved(x=s * 0.71, z=0.91) for s in (-1, 1)
    ]
    legs = [
        _taper(0.12, 0.075, 1.05).moved(x=0.71 * sx, y=0.56 * sy)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    return (Part(join(top, *legs), BODY), Part(join(*apron), SLIGHTLY_DARKER))


def _taper(top: float, foot: float, height: float) -> Mesh:
    outline = fillet([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], 0.15, closed=True)
    return prism(outline * foot, height, 0.012, top=top / foot)


def chair() -> Parts:
    """A wooden chair facing the viewer."""
    seat = box(0.94, 0.9, 0.09, 0.035).moved(z=0.9)
    front = [_taper(0.1, 0.07, 0.92).moved(x=0.39 * s, y=-0.37) for s in (-1, 1)]
    back = [
        column_between((0.39 * s, 0.43, 0.035), (0.39 * s, 0.37, 0.95), 0.036, 0.046)
        for s in (-1, 1)
    ] + [column_between((0.39 * s, 0.38, 0.9), (0.37 * s, 0.5, 1.9), 0.046, 0.038) for s in (-1, 1)]
    rail = upright(box(0.86, 0.2, 0.07, 0.03)).turned("x", -6).moved(y=0.53, z=1.84)
    slats = [
        column_between((0.19 * i, 0.38, 0.95), (0.18 * i, 0.49, 1.84), 0.03) for i in (-1, 0, 1)
    ]
    bars = [column_between((0.39 * s, -0.36, 0.36), (0.39 * s, 0.4, 0.36), 0.026) for s in (-1, 1)]
    return (Part(join(seat, *front, *back, rail, *slats, *bars), BODY),)


def stool() -> Parts:
    """A round stool on three splayed legs."""
    seat = rounded_cylinder(0.5, 0.13, 0.05).moved(z=1.32)
    feet = [(float(np.cos(a)), float(np.sin(a))) for a in np.radians([-90, 30, 150])]
    legs = [
        column_between((0.56 * x, 0.56 * y, 0.04), (0.3 * x, 0.3 * y, 1.34), 0.04, 0.055)
        for x, y in feet
    ]
    rungs = [
        column_between(
            (0.475 * a[0], 0.475 * a[1], 0.46), (0.475 * b[0], 0.475 * b[1], 0.46), 0.026
        )
        for a, b in zip(feet, feet[1:] + feet[:1], strict=True)
    ]
    return (Part(join(seat, *legs, *rungs), BODY),)


def bench() -> Parts:
    """A garden bench of planks, without a back."""
    planks = [box(2.1, 0.2, 0.09, 0.025).moved(y=0.225 * i, z=0.71) for i in (-1, 0, 1)]
    legs = [box(0.1, 0.62, 0.08, 0.02).moved(x=s * 0.78, z=0.63) for s in (-1, 1)] + [
        _taper(0.1, 0.08, 0.66).moved(x=sx * 0.78, y=sy * 0.24) for sx in (-1, 1) for sy in (-1, 1)
    ]
    beam = box(1.5, 0.07, 0.09, 0.02).moved(z=0.3)
    braces = [box(0.07, 0.5, 0.09, 0.02).moved(x=s * 0.78, z=0.3) for s in (-1, 1)]
    return (Part(join(*planks), BODY), Part(join(*legs, beam, *braces), SLIGHTLY_DARKER))


def book() -> Parts:
    """A closed hardback lying with its spine to the left."""
    cover = box(1.36, 1.22, 0.045, 0.016)
    spine = curve(
        [(-0.66, 0.022), (-0.72, 0.09), (-0.735, 0.16), (-0.72, 0.23), (-0.66, 0.298)], 20
    )
    back = tube(np.stack([spine[:, 0], np.zeros(20), spine[:, 1]], 1), 0.022, 12).scaled(1, 27, 1)
    pages = box(1.3, 1.14, 0.25, 0.008).moved(x=-0.03, z=0.035)
    band = box(0.1, 1.222, 0.006, 0.002).moved(x=-0.5, z=0.317)
    return (
        Part(join(cover, cover.moved(z=0.275), back), BODY),
        Part(pages, PAPER),
        Part(band, Surface("#d9b66a")),
    )


def crate() -> Parts:
    """A slatted wooden box."""
    size, plank = 1.4, 0.31
    slats, posts = [], []
    for i in range(4):
        z = 0.02 + i * (plank + 0.035)
        slat = box(1.36, 0.07, plank, 0.018).moved(y=-0.64, z=z)
        slats += [slat.turned("z", 90.0 * turn) for turn in range(4)]
    top = [
        box(1.36, plank, 0.07, 0.018).moved(y=-0.52 + i * (plank + 0.035), z=1.31) for i in range(4)
    ]
    for turn in range(4):
        posts.append(
            box(0.2, 0.06, size - 0.02, 0.018)
            .moved(x=-0.58, y=-0.69, z=0.0)
            .turned("z", 90.0 * turn)
        )
        posts.append(
            box(0.2, 0.06, size - 0.02, 0.018)
            .moved(x=0.58, y=-0.69, z=0.0)
            .turned("z", 90.0 * turn)
        )
        brace = box(1.32, 0.055, 0.19, 0.018).moved(z=-0.095).turned("y", -45)
        posts.append(brace.moved(y=-0.69, z=size / 2 - 0.005).turned("z", 90.0 * turn))
    core = box(1.2, 1.2, 1.3, 0.02).moved(z=0.03)
    return (
        Part(join(*slats, *top), BODY),
        Part(join(*posts), SLIGHTLY_DARKER),
        Part(core, DARKER),
    )
