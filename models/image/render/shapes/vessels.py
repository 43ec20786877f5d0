"""Household things turned on a lathe."""

import numpy as np

from models.image.render.mesh import Mesh, join
from models.image.render.shapes.kit import (
    TAU,
    arc,
    ball,
    curve,
    fillet,
    loft,
    revolve,
    ring,
    rounded_cylinder,
    tube,
    wall_fillet,
    walled,
)
from models.image.render.shapes.part import (
    BODY,
    DARKER,
    IRON,
    Part,
    Surface,
)
from models.image.schema import Material

Parts = tuple[Part, ...]
CORK = Surface("#b98b5a", material=Material(roughness=0.8))
COFFEE = Surface("#2b1509", material=Material(roughness=0.12))
WICK = Surface("#1c1714", material=Material(roughness=0.9))
FLAME = Surface("#ff9a3c", glow=9.0)
BULB = Surface("#ffe0b0", glow=24.0)
BRASS = Surface("#c9a253", material=Material(roughness=0.25, metallic=1.0))
CLEAR = Surface("#f4f8f8", material=Material(roughness=0.02, transmission=1.0))


def plate() -> Parts:
    """A dinner plate with a raised rim."""
    outer = np.array([(0.52, 0.0), (0.56, 0.03), (0.66, 0.07), (0.99, 0.2)])
    return (Part(revolve(wall_fillet(outer, 0.03, 0.035, 0.055), 128), BODY),)


def bowl() -> Parts:
    """A round bowl on a foot."""
    foot = np.array([(0.34, 0.0), (0.36, 0.02), (0.34, 0.09)])
    side = curve([(0.36, 0.1), (0.7, 0.25), (0.92, 0.55), (0.99, 0.93)], 26)
    return (Part(revolve(walled(np.concatenate([foot, side]), 0.055, 0.16), 112), BODY),)


def mug() -> Parts:
    """A mug of coffee, its handle to the right."""
    outer = np.array([(0.58, 0.0), (0.63, 0.03), (0.66, 0.12), (0.66, 1.41)])
    cup = revolve(wall_fillet(outer, 0.05, 0.07, 0.1), 96)
    path = curve(
        [(0.6, 1.14), (0.9, 1.16), (1.13, 0.98), (1.12, 0.62), (0.9, 0.38), (0.6, 0.36)], 36
    )
    handle = tube(np.stack([path[:, 0], np.zeros(36), path[:, 1]], 1), 0.085, 24).scaled(1, 1.35, 1)
    drink = rounded_cylinder(0.6, 0.04, 0.005).moved(z=1.17)
    return (
        Part(join(cup, handle).moved(x=-0.22), BODY),
        Part(drink.moved(x=-0.22), COFFEE),
    )


def bottle() -> Parts:
    """A wine bottle with a cork."""
    shoulder = curve([(0.42, 1.12), (0.4, 1.28), (0.24, 1.44), (0.155, 1.58), (0.145, 1.8)], 22)
    outer = np.concatenate([[(0.36, 0.0), (0.405, 0.03), (0.42, 0.08)], shoulder])
    neck = np.array([(0.145, 1.81), (0.175, 1.815), (0.175, 1.9), (0.155, 1.92)])
    glass = revolve(walled(np.concatenate([outer, neck]), 0.05, 0.08), 88)
    return (Part(glass, BODY), Part(rounded_cylinder(0.095, 0.2, 0.02).moved(z=1.8), CORK))


def vase() -> Parts:
    """A bellied vase with a flared lip."""
    side = curve(
        [
            (0.34, 0.0),
            (0.42, 0.1),
            (0.62, 0.45),
            (0.72, 0.82),
            (0.6, 1.22),
            (0.34, 1.52),
            (0.27, 1.7),
            (0.34, 1.88),
            (0.46, 1.98),
        ],
        64,
    )
    return (Part(revolve(walled(side, 0.055, 0.08), 104), BODY),)


def teapot() -> Parts:
    """A round teapot, its spout to the right."""
    side = curve(
        [(0.44, 0.0), (0.5, 0.05), (0.8, 0.35), (0.86, 0.62), (0.72, 0.92), (0.44, 1.06)], 40
    )
    body = revolve(np.concatenate([[(0, 0)], side, [(0.4, 1.09), (0, 1.09)]]), 104)
    lid = revolve(
        np.concatenate(
            [
                [(0, 1.06)],
                curve([(0.42, 1.07), (0.41, 1.11), (0.3, 1.2), (0.12, 1.26), (0.07, 1.3)], 18),
                [(0, 1.3)],
            ]
        ),
        80,
    )
    knob = ball(0.11, 24, 40).scaled(1, 1, 0.85).moved(z=1.35)
    spout = curve(
        [(0.62, 0, 0.38), (0.92, 0, 0.48), (1.06, 0, 0.78), (1.14, 0, 1.02), (1.3, 0, 1.12)], 30
    )
    beak = tube(spout, np.interp(np.linspace(0, 1, 30), [0, 0.35, 1], [0.23, 0.145, 0.075]), 28)
    grip = curve(
        [
            (-0.66, 0, 0.86),
            (-0.96, 0, 1.0),
            (-1.22, 0, 0.86),
            (-1.2, 0, 0.52),
            (-0.98, 0, 0.32),
            (-0.74, 0, 0.32),
        ],
        40,
    )
    return (Part(join(body, lid, knob, beak, tube(grip, 0.075, 24)).moved(x=-0.03), BODY),)


def candle() -> Parts:
    """A burning candle."""
    cup = np.concatenate(
        [arc((0.27, 1.36), 0.03, -10, 170, 8), [(0.2, 1.34), (0.08, 1.31), (0, 1.305)]]
    )
    wax = revolve(
        np.concatenate([[(0, 0), (0.28, 0)], arc((0.28, 0.02), 0.02, -90, 0, 5), cup]), 72
    )
    flame = curve([(0.0, 0.0), (0.065, 0.07), (0.085, 0.16), (0.05, 0.3), (0.0, 0.46)], 26)
    flame[:, 0] = np.maximum(flame[:, 0], 0)
    return (
        Part(wax, BODY),
        Part(rounded_cylinder(0.018, 0.17, 0.005, 16).moved(z=1.29), WICK),
        Part(revolve(flame, 32).moved(z=1.44), FLAME),
    )


def lamp() -> Parts:
    """A table lamp with a lit bulb under a shade of the object's colour."""
    base = rounded_cylinder(0.4, 0.09, 0.035)
    stem = revolve(
        curve(
            [
                (0.09, 0.08),
                (0.05, 0.2),
                (0.13, 0.42),
                (0.17, 0.58),
                (0.08, 0.8),
                (0.035, 0.95),
                (0.035, 1.42),
            ],
            40,
        ),
        48,
    )
    shade = revolve(
        fillet([(0.68, 1.1), (0.7, 1.1), (0.42, 2.0), (0.4, 2.0)], 0.006, closed=True),
        96,
        closed=True,
    )
    return (
        Part(shade, Surface(glow=0.3)),
        Part(join(base, stem), BRASS),
        Part(ball(0.17, 24, 32).moved(z=1.5), BULB),
    )


def barrel() -> Parts:
    """Staves and iron hoops."""
    angle = np.linspace(0, TAU, 20, endpoint=False)
    staves = [_stave().turned("z", float(np.degrees(a))) for a in angle]
    light, dark = staves[0::2], staves[1::2]
    hoops = [
        ring(_belly(z) + 0.005, 0.022, 88, 12).scaled(1, 1, 2.2).moved(z=z)
        for z in (0.16, 0.56, 1.34, 1.74)
    ]
    lid = rounded_cylinder(0.56, 1.74, 0.02).moved(z=0.06)
    return (
        Part(join(*light), BODY),
        Part(join(*dark), Surface(shade=0.82)),
        Part(lid, DARKER),
        Part(join(*hoops), IRON),
    )


def _belly(z: float) -> float:
    return float(0.58 + 0.14 * np.sin(np.pi * z / 1.9))


def _stave() -> Mesh:
    half = np.pi / 20 * 0.985
    rings = []
    for z in np.linspace(0, 1.9, 15):
        radius = _belly(float(z))
        angle = np.linspace(-half, half, 4)
        out = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        inner = (radius - 0.06) / radius * out[::-1]
        rings.append(np.concatenate([np.concatenate([out, inner]), np.full((8, 1), z)], 1))
    return loft(np.stack(rings))


def hourglass() -> Parts:
    """Sand in glass between two discs."""
    disc = rounded_cylinder(0.6, 0.12, 0.04)
    posts = [
        rounded_cylinder(0.045, 1.8, 0.01, 24).moved(0.48 * np.cos(a), 0.48 * np.sin(a), 0.1)
        for a in np.radians([45, 135, 225, 315])
    ]
    bulb = curve(
        [
            (0.26, 0.12),
            (0.4, 0.3),
            (0.4, 0.55),
            (0.2, 0.85),
            (0.06, 1.0),
            (0.2, 1.15),
            (0.4, 1.45),
            (0.4, 1.7),
            (0.26, 1.88),
        ],
        64,
    )
    heap = curve([(0.24, 0.13), (0.36, 0.28), (0.33, 0.36), (0.0, 0.56)], 20)
    upper = curve([(0.05, 1.03), (0.17, 1.16), (0.3, 1.36), (0.29, 1.39), (0.0, 1.33)], 20)
    sand = join(
        revolve(np.concatenate([[(0, 0.13)], np.maximum(heap, 0)])),
        revolve(np.concatenate([[(0, 1.03)], np.maximum(upper, 0)])),
    )
    return (
        Part(join(disc, disc.moved(z=1.88), *posts), BODY),
        Part(revolve(np.concatenate([[(0, 0.12)], bulb, [(0, 1.88)]]), 80), CLEAR),
        Part(sand, Surface("#d9a65a", material=Material(roughness=0.9))),
    )
