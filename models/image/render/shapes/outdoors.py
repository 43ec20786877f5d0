"""Trees, mushrooms and snowmen."""

import numpy as np

from models.image.render.mesh import Floats, Mesh, join
from models.image.render.shapes.kit import ball, column_between, curve, revolve, ring, tube
from models.image.render.shapes.part import (
    BODY,
    CARROT,
    COAL,
    CREAM,
    DARK_WOOD,
    LIGHTER,
    SLIGHTLY_DARKER,
    Part,
    Surface,
)
from models.image.schema import Material

Parts = tuple[Part, ...]
SCARF = Surface("#b3202c", material=Material(roughness=0.9))

LEAF_CREASE_DEG = 80.0


def tree() -> Parts:
    """A leafy crown of the object's colour on a brown trunk."""
    trunk = revolve(
        curve([(0.19, 0.0), (0.125, 0.12), (0.1, 0.4), (0.085, 0.9), (0.05, 1.3)], 24), 32
    )
    boughs = [
        tube(
            curve([(0, 0, 0.6), (0.18 * c, 0.18 * s, 0.82), (0.36 * c, 0.36 * s, 1.02)], 10),
            np.linspace(0.055, 0.03, 10),
            12,
        )
        for c, s in ((np.cos(a), np.sin(a)) for a in (0.4, 2.4, 4.4))
    ]
    clumps = [
        (0, 0, 1.5, 0.55),
        (0.4, -0.12, 1.26, 0.36),
        (-0.38, -0.2, 1.24, 0.36),
        (-0.14, 0.38, 1.28, 0.38),
        (0.2, 0.24, 1.66, 0.36),
        (-0.22, 0.02, 1.78, 0.34),
        (0.14, -0.32, 1.6, 0.34),
    ]
    foliage = [_foliage(clumps, shade) for shade in (0, 1, 2)]
    return (
        Part(foliage[0], BODY, LEAF_CREASE_DEG),
        Part(foliage[1], SLIGHTLY_DARKER, LEAF_CREASE_DEG),
        Part(foliage[2], LIGHTER, LEAF_CREASE_DEG),
        Part(join(trunk, *boughs), DARK_WOOD),
    )


def _foliage(clumps: list[tuple[float, float, float, float]], shade: int) -> Mesh:
    """Every third tuft of leaves, spread evenly over the outside of the clumps."""
    centres = np.array([clump[:3] for clump in clumps])
    radii = np.array([clump[3] for clump in clumps])
    generator = np.random.default_rng(shade)
    tuft = ball(1.0, 5, 6)
    tufts = (
        [ball(float(r) * 0.93, 16, 24).moved(*c) for c, r in zip(centres, radii, strict=True)]
        if shade == 1
        else []
    )
    for centre, radius in zip(centres, radii, strict=True):
        count = int(520 * radius**2)
        for k in range(count):
            z = 1 - 2 * (k + (shade + 0.5) / 3) / count
            angle = 2.399963 * (3 * k + shade)
            way = np.array(
                [np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z]
            )
            place = centre + way * radius
            others = np.linalg.norm(centres - place, axis=1) - radii
            if (others < -0.06).any():
                continue
            size = generator.uniform(0.045, 0.068)
            leaf = tuft.scaled(size, size, size * 0.5).turned(
                "x", float(generator.uniform(-40, 40))
            )
            tufts.append(leaf.turned("y", float(generator.uniform(-40, 40))).moved(*place))
    return join(*tufts)


def mushroom() -> Parts:
    """A spotted cap of the object's colour on a cream stem."""
    top = curve([(0.84, 0.84), (0.85, 0.95), (0.74, 1.3), (0.45, 1.6), (0.0, 1.7)], 36)
    under = curve([(0.2, 0.96), (0.5, 0.88), (0.78, 0.82)], 14)
    cap = revolve(np.concatenate([[(0, 0.96)], under, np.maximum(top, 0)]), 104)
    stem = revolve(curve([(0.3, 0.0), (0.32, 0.1), (0.23, 0.4), (0.2, 0.7), (0.24, 0.98)], 28), 56)
    skirt = revolve(
        curve([(0.21, 0.72), (0.3, 0.62), (0.33, 0.58), (0.3, 0.6), (0.2, 0.68)], 16), 56
    )
    return (
        Part(cap, BODY),
        Part(join(stem, skirt), CREAM),
        Part(join(*_spots(top)), Surface("#f8f3e6", material=Material(roughness=0.6))),
    )


def _spots(profile: Floats) -> list[Mesh]:
    spots = []
    for share, count, size, turn in (
        (0.97, 1, 0.15, 0.0),
        (0.66, 5, 0.125, 0.2),
        (0.36, 8, 0.1, 0.6),
    ):
        index = int(share * (len(profile) - 1))
        radius, z = profile[index]
        slope = profile[index] - profile[index - 1]
        tilt = float(np.degrees(np.arctan2(-slope[1], -slope[0])))
        for k in range(count):
            flat = ball(size * (1 + 0.2 * np.sin(5 * k + index)), 16, 24).scaled(1, 1, 0.28)
            turned = flat.turned("y", -tilt if count > 1 else 0).moved(
                x=radius if count > 1 else 0.03, z=z
            )
            spots.append(turned.turned("z", float(np.degrees(turn)) + 360 / count * k - 90))
    return spots


def snowman() -> Parts:
    """Three balls with a carrot, coal and a scarf."""
    balls = [
        ball(0.65).scaled(1, 1, 0.94).moved(z=0.59),
        ball(0.47).scaled(1, 1, 0.95).moved(z=1.3),
        ball(0.34).moved(z=1.84),
    ]
    nose = column_between((0, -0.3, 1.84), (0, -0.62, 1.81), 0.07, 0.012)
    eyes = [ball(0.04, 12, 16).moved(0.12 * s, -0.3, 1.94) for s in (-1, 1)]
    smile = [
        ball(0.026, 10, 12).moved(
            0.19 * np.sin(a), -0.315 + 0.05 * abs(np.sin(a)), 1.74 - 0.03 * np.cos(2 * a)
        )
        for a in np.linspace(-0.9, 0.9, 5)
    ]
    buttons = [
        ball(0.048, 12, 16).moved(0, y, z) for y, z in ((-0.44, 1.44), (-0.47, 1.24), (-0.61, 0.8))
    ]
    scarf = join(
        ring(0.31, 0.075, 64, 16).moved(z=1.58),
        tube(curve([(0.2, -0.28, 1.58), (0.27, -0.42, 1.42), (0.25, -0.48, 1.2)], 12), 0.065, 14),
    )
    hands = [(1.0, -1), (1.0, 1)]
    arms = [
        tube(
            curve(
                [(0.4 * s, -0.02, 1.36), (0.52 * s, -0.05, 1.52), (0.63 * s, -0.06, 1.74 * k)], 10
            ),
            np.linspace(0.03, 0.017, 10),
            10,
        )
        for k, s in hands
    ]
    return (
        Part(join(*balls), BODY),
        Part(nose, CARROT),
        Part(join(*eyes, *smile, *buttons), COAL),
        Part(join(*arms), DARK_WOOD),
        Part(scarf, SCARF),
    )
