"""Houses, towers, cars, boats and rockets."""

import numpy as np

from models.image.render.mesh import Floats, Mesh, join
from models.image.render.shapes.kit import (
    TAU,
    box,
    column_between,
    curve,
    fillet,
    loft,
    prism,
    revolve,
    ring,
    rounded_cylinder,
    upright,
)
from models.image.render.shapes.part import (
    BODY,
    CREAM,
    DARK_WOOD,
    RUBBER,
    SLIGHTLY_DARKER,
    STEEL,
    WINDOW,
    WOOD,
    Part,
    Surface,
)
from models.image.schema import Material

Parts = tuple[Part, ...]
ROOF = Surface(shade=0.34, material=Material(roughness=0.6))
BRICK = Surface("#7d4a3a", material=Material(roughness=0.8))
SAIL = Surface("#f5f0e4", material=Material(roughness=0.8))
LAMP_GLASS = Surface("#fff4d6", material=Material(roughness=0.1))
TAIL_LIGHT = Surface("#a01010", material=Material(roughness=0.15))


def house() -> Parts:
    """A cottage with a gable to the side, its door toward the viewer."""
    walls = box(1.66, 1.24, 1.02, 0.02)
    gable_outline = np.array([(-0.61, 0.0), (0.61, 0.0), (0.0, 0.56)])
    gable = prism(gable_outline - [0, 0.2], 1.6, 0.01).moved(y=0.2, z=-0.8)
    gable = upright(gable).turned("z", 90).moved(z=1.0)
    slab = box(1.84, 0.9, 0.07, 0.02)
    roof = [
        slab.moved(y=-0.45).turned("x", 42).moved(z=1.6),
        slab.moved(y=0.45).turned("x", -42).moved(z=1.6),
    ]
    chimney = box(0.2, 0.2, 0.55, 0.02).moved(0.45, 0.25, 1.2)
    door = box(0.34, 0.06, 0.58, 0.02).moved(0, -0.62, 0)
    panes = [box(0.3, 0.04, 0.32, 0.01).moved(0.5 * s, -0.61, 0.36) for s in (-1, 1)]
    side = [box(0.04, 0.3, 0.32, 0.01).moved(0.82 * s, 0, 0.36) for s in (-1, 1)]
    frames = [
        f.moved(0.5 * s, -0.625, 0.36)
        for s in (-1, 1)
        for f in (
            box(0.38, 0.05, 0.04, 0.01).moved(z=-0.03),
            box(0.36, 0.05, 0.03, 0.01).moved(z=0.31),
            box(0.03, 0.05, 0.34, 0.008),
            box(0.32, 0.05, 0.025, 0.008).moved(z=0.15),
        )
    ]
    step = box(0.5, 0.16, 0.06, 0.02).moved(y=-0.68)
    return (
        Part(join(walls, gable), BODY),
        Part(join(*roof), ROOF),
        Part(chimney, BRICK),
        Part(door, WOOD),
        Part(join(*panes, *side), WINDOW),
        Part(join(*frames, step), CREAM),
    )


def tower() -> Parts:
    """A round keep with battlements."""
    shaft = revolve(
        fillet(
            [
                (0, 0),
                (0.45, 0),
                (0.45, 0.08),
                (0.41, 0.12),
                (0.355, 1.86),
                (0.46, 2.02),
                (0.46, 2.14),
                (0.37, 2.14),
                (0.37, 2.08),
                (0, 2.08),
            ],
            0.02,
        ),
        88,
    )
    merlons = [_merlon(a) for a in np.arange(8) * TAU / 8 + TAU / 16]
    courses = [ring(0.4 - 0.032 * z, 0.014, 80, 8).moved(z=z) for z in (0.55, 1.05, 1.55)]
    door = upright(prism(_doorway(0.26, 0.44), 0.12, 0.01)).moved(y=-0.33, z=0.2)
    slits = [
        upright(prism(_doorway(0.09, 0.24), 0.08, 0.005))
        .moved(y=-0.33, z=0.12)
        .turned("z", turn)
        .moved(z=z)
        for z, turn in ((0.72, 0), (1.22, -35), (1.22, 40), (1.62, 0))
    ]
    return (
        Part(join(shaft, *merlons, *courses), BODY),
        Part(door, DARK_WOOD),
        Part(join(*slits), WINDOW),
    )


def _merlon(angle: float) -> Mesh:
    half = TAU / 16 * 0.6
    turn = np.linspace(-half, half, 7)
    outline = np.concatenate(
        [
            0.46 * np.stack([np.cos(turn), np.sin(turn)], 1),
            0.37 * np.stack([np.cos(turn), np.sin(turn)], 1)[::-1],
        ]
    )
    centre = outline.mean(0)
    block = prism(outline - centre, 0.3, 0.015, 2).moved(x=centre[0], z=2.1)
    return block.turned("z", float(np.degrees(angle)))


def _doorway(width: float, height: float) -> Floats:
    """A round-topped opening, centred low so that all of it is seen from its centroid."""
    angle = np.linspace(0, np.pi, 14)
    top = np.stack([np.cos(angle), np.sin(angle)], 1) * width / 2 + [0, height - width / 2]
    return np.concatenate([[(-width / 2, 0), (width / 2, 0)], top]) - [0, height * 0.45]


def car() -> Parts:
    """A small car, its nose to the right."""
    sill = [
        (-1.1, 0.2),
        (-1.12, 0.34),
        (-1.08, 0.47),
        (-0.7, 0.53),
        (0.42, 0.52),
        (0.95, 0.44),
        (1.1, 0.36),
        (1.12, 0.24),
        (1.04, 0.17),
        (-1.02, 0.16),
    ]
    body = _side_prism(sill, 0.88, 0.09, 0.12)
    roof = [(-0.82, 0.46), (-0.6, 0.74), (-0.44, 0.8), (0.04, 0.8), (0.2, 0.74), (0.54, 0.46)]
    cabin = _side_prism(roof, 0.76, 0.07, 0.1)
    panes = [
        _side_prism([(-0.68, 0.5), (-0.53, 0.71), (-0.19, 0.73), (-0.19, 0.5)], 0.775, 0.01, 0.03),
        _side_prism([(-0.13, 0.5), (-0.13, 0.73), (0.05, 0.72), (0.37, 0.5)], 0.775, 0.01, 0.03),
        box(0.58, 0.02, 0.29, 0.008)
        .turned("z", 90)
        .moved(z=-0.145)
        .turned("y", -50.5)
        .moved(0.385, 0, 0.615),
        box(0.58, 0.02, 0.26, 0.008)
        .turned("z", 90)
        .moved(z=-0.13)
        .turned("y", 38.5)
        .moved(-0.735, 0, 0.61),
    ]
    tyre = ring(0.155, 0.062, 56, 20).scaled(1, 1, 1.15).turned("x", 90)
    hub = rounded_cylinder(0.12, 0.1, 0.03, 40).moved(z=-0.05).turned("x", 90)
    places = [(x, y) for x in (-0.66, 0.68) for y in (-0.4, 0.4)]
    lights = [
        rounded_cylinder(0.075, 0.05, 0.02, 32).turned("y", 90).moved(1.07, 0.28 * s, 0.34)
        for s in (-1, 1)
    ]
    tails = [box(0.03, 0.16, 0.08, 0.01).moved(-1.115, 0.3 * s, 0.32) for s in (-1, 1)]
    bumpers = [box(0.06, 0.8, 0.07, 0.025).moved(x, 0, 0.2) for x in (-1.11, 1.1)]
    return (
        Part(join(body, cabin), BODY),
        Part(join(*panes), WINDOW),
        Part(join(*(tyre.moved(x, y, 0.217) for x, y in places)), RUBBER),
        Part(join(*(hub.moved(x, y, 0.217) for x, y in places), *bumpers), STEEL),
        Part(join(*lights), LAMP_GLASS),
        Part(join(*tails), TAIL_LIGHT),
    )


def _side_prism(
    outline: list[tuple[float, float]], width: float, bevel: float, corner: float
) -> Mesh:
    """A solid whose side view, x to the right, is the outline; centred on y = 0."""
    points = fillet(outline, corner, closed=True)
    centre = points.mean(0)
    block = prism(points - centre, width, bevel, 4).moved(z=-width / 2)
    return upright(block).moved(x=centre[0], z=centre[1])


def boat() -> Parts:
    """A sailing boat, its bow to the right."""
    hull = loft(_hull(0.0, 1.0))
    deck = loft(_hull(0.86, 0.93)).moved(z=0.012)
    mast = rounded_cylinder(0.03, 1.2, 0.01, 20).moved(0.05, 0, 0.3)
    boom = column_between((0.05, 0, 0.46), (-0.82, 0, 0.46), 0.022)
    main = _sail([(0.0, 0.5), (-0.82, 0.5), (0.0, 1.46)])
    jib = _sail([(0.12, 0.48), (0.92, 0.46), (0.12, 1.3)])
    stripe = loft(_hull(0.7, 1.015))
    return (
        Part(hull, BODY),
        Part(stripe, SLIGHTLY_DARKER),
        Part(deck, WOOD),
        Part(join(mast, boom), DARK_WOOD),
        Part(join(main, jib), SAIL),
    )


def _hull(start: float, scale: float) -> Floats:
    rings = []
    for share in np.linspace(start, 1.0 if start < 0.7 else start + 0.14, 14):
        t = np.linspace(0, TAU, 64, endpoint=False)
        fullness = 0.5 + 0.5 * np.sqrt(share)
        length = 1.15 * (0.72 + 0.28 * share)
        x = np.cos(t)
        beam = 0.42 * fullness * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.8
        y = beam * np.where(x > 0, (1 - x**2 * 0.75), 1 - 0.25 * x**2)
        z = 0.36 * share + 0.1 * share * np.maximum(x, 0) ** 2
        rings.append(np.stack([x * length * scale, y * scale, z], 1))
    return np.stack(rings)


def _sail(corners: list[tuple[float, float]]) -> Mesh:
    outline = fillet(corners, 0.03, closed=True)
    centre = outline.mean(0)
    flat = prism(outline - centre, 0.02, 0.006, 2).moved(z=-0.01)
    sail = upright(flat).moved(x=centre[0], z=centre[1])
    belly = 0.07 * np.sin(np.clip((sail.vertices[:, 2] - 0.45) / 1.0, 0, 1) * np.pi)
    return Mesh(sail.vertices - np.stack([0 * belly, belly, 0 * belly], 1), sail.faces)


def rocket() -> Parts:
    """A rocket on three fins, with a porthole."""
    skin = curve([(0.22, 0.32), (0.34, 0.6), (0.4, 1.05), (0.34, 1.6), (0.26, 1.86)], 40)
    nose = curve([(0.26, 1.86), (0.16, 2.1), (0.0, 2.3)], 20)
    body = revolve(np.concatenate([[(0, 0.32)], skin, [(0, 1.86)]]), 88)
    tip = revolve(np.concatenate([[(0, 1.86)], np.maximum(nose, 0)]), 88)
    nozzle = revolve(
        fillet([(0, 0.34), (0.15, 0.34), (0.21, 0.16), (0.17, 0.16), (0.1, 0.3), (0, 0.3)], 0.015),
        64,
    )
    fin = _fin()
    fins = [fin.turned("z", turn) for turn in (-90, 30, 150)]
    porthole = ring(0.13, 0.035, 48, 16).turned("x", 90).moved(0, -0.375, 1.25)
    glass = rounded_cylinder(0.125, 0.05, 0.02, 40).turned("x", 90).moved(0, -0.36, 1.25)
    band = ring(0.395, 0.014, 80, 10).moved(z=1.0)
    accent = Surface("#c8322a", material=Material(roughness=0.3, clearcoat=0.5))
    return (
        Part(body, BODY),
        Part(join(tip, *fins), accent),
        Part(join(nozzle, porthole, band), STEEL),
        Part(glass, WINDOW),
    )


def _fin() -> Mesh:
    outline = fillet(
        [(0.24, 0.38), (0.34, 0.78), (0.56, 0.5), (0.64, 0.0), (0.56, 0.0), (0.46, 0.26)],
        0.04,
        closed=True,
    )
    centre = np.array([0.44, 0.42])
    return upright(prism(outline - centre, 0.07, 0.02, 2).moved(z=-0.035)).moved(
        x=centre[0], z=centre[1]
    )
