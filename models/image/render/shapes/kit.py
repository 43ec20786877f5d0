"""Modelling kit: every solid is a loft, a stack of rings closed at both ends."""

from collections.abc import Sequence

import numpy as np

from models.image.render.mesh import Floats, Ints, Mesh, outward

Point = tuple[float, float]
SECTIONS = 72
TAU = 2 * np.pi


def loft(rings: Floats, *, closed: bool = False) -> Mesh:
    """Skin a stack of rings.

    Args:
        rings: `(M, N, 3)`; N points around, M along.
        closed: Join the last ring to the first instead of capping both ends.
    """
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    lower = index if closed else index[:-1]
    upper = np.roll(index, -1, axis=0) if closed else index[1:]
    a, b, c, d = lower, np.roll(lower, -1, 1), np.roll(upper, -1, 1), upper
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    vertices = rings.reshape(-1, 3)
    if not closed:
        ends = np.stack([rings[0].mean(0), rings[-1].mean(0)])
        first, last = len(vertices), len(vertices) + 1
        faces.append(_fan(np.roll(index[0], -1), index[0], first))
        faces.append(_fan(index[-1], np.roll(index[-1], -1), last))
        vertices = np.concatenate([vertices, ends])
    return outward(_without_slivers(Mesh(vertices, np.concatenate(faces))))


def _fan(a: Ints, b: Ints, centre: int) -> Ints:
    return np.stack([a, b, np.full_like(a, centre)], -1)


def _without_slivers(mesh: Mesh) -> Mesh:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return Mesh(mesh.vertices, mesh.faces[area > 1e-12])


def fillet(
    points: Sequence[Point], radius: float, *, closed: bool = False, steps: int = 4
) -> Floats:
    """Round the corners of a polyline, `(N, 2)`; the ends of an open one stay."""
    corners = np.asarray(points, float)
    before, after = np.roll(corners, 1, 0), np.roll(corners, -1, 0)
    out: list[Floats] = []
    t = np.linspace(0, 1, steps + 1)[:, None]
    for i, corner in enumerate(corners):
        if not closed and i in (0, len(corners) - 1):
            out.append(corner[None])
            continue
        entry = _towards(corner, before[i], radius)
        leave = _towards(corner, after[i], radius)
        out.append((1 - t) ** 2 * entry + 2 * t * (1 - t) * corner + t**2 * leave)
    return np.concatenate(out)


def _towards(corner: Floats, other: Floats, distance: float) -> Floats:
    way = other - corner
    length = float(np.linalg.norm(way))
    return corner + way * min(distance / max(length, 1e-9), 0.5)


def revolve(
    profile: Floats | Sequence[Point], sections: int = SECTIONS, *, closed: bool = False
) -> Mesh:
    """Turn a profile of (radius, height) about z; an open one is capped, a closed one a ring."""
    points = np.asarray(profile, float)
    angle = np.linspace(0, TAU, sections, endpoint=False)
    radius, height = points[:, :1], points[:, 1:]
    rings = np.stack(
        [
            radius * np.cos(angle),
            radius * np.sin(angle),
            np.broadcast_to(height, (len(points), sections)),
        ],
        -1,
    )
    return loft(rings, closed=closed)


def rounded_cylinder(
    radius: float, height: float, bevel: float = 0.04, sections: int = SECTIONS
) -> Mesh:
    """An upright cylinder on z = 0 with soft rims."""
    return revolve(fillet([(0, 0), (radius, 0), (radius, height), (0, height)], bevel), sections)


def rectangle(width: float, depth: float, corner: float = 0.05, steps: int = 4) -> Floats:
    """Outline of a rectangle with round corners, centred, `(N, 2)`."""
    x, y = width / 2, depth / 2
    return fillet([(-x, -y), (x, -y), (x, y), (-x, y)], corner, closed=True, steps=steps)


def prism(
    outline: Floats, height: float, bevel: float = 0.04, steps: int = 3, top: float = 1.0
) -> Mesh:
    """Stand an outline on z = 0 and round its rims.

    Args:
        outline: `(N, 2)`, seen in full from its centroid.
        height: Thickness along z.
        bevel: Radius of the rims.
        steps: Rings per rim.
        top: Scale of the upper end, for a taper.
    """
    inward = _inward(outline)
    angle = np.linspace(0, np.pi / 2, steps + 1)
    inset = bevel * (1 - np.sin(angle))
    rise = bevel * (1 - np.cos(angle))
    levels = [(i, h) for i, h in zip(inset, rise, strict=True)]
    levels += [(i, height - h) for i, h in zip(inset[::-1], rise[::-1], strict=True)]
    rings = []
    for amount, z in levels:
        scale = 1 + (top - 1) * z / height
        flat = (outline + inward * amount) * scale
        rings.append(np.concatenate([flat, np.full((len(flat), 1), z)], 1))
    return loft(np.stack(rings))


def _inward(outline: Floats) -> Floats:
    tangent = np.roll(outline, -1, 0) - np.roll(outline, 1, 0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    x, y = outline.T
    turn = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    return normal if turn > 0 else -normal


def box(width: float, depth: float, height: float, bevel: float = 0.05) -> Mesh:
    """A box on z = 0 with every edge rounded."""
    return prism(rectangle(width, depth, bevel * 1.6), height, bevel)


def ball(radius: float, rows: int = 40, sections: int = SECTIONS) -> Mesh:
    """A sphere about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rows)
    return revolve(np.stack([np.cos(angle) * radius, np.sin(angle) * radius], 1), sections)


def ring(major: float, minor: float, sections: int = 96, around: int = 32) -> Mesh:
    """A torus about the origin, flat in the x-y plane."""
    angle = np.linspace(0, TAU, around, endpoint=False)
    profile = np.stack([major + minor * np.cos(angle), minor * np.sin(angle)], 1)
    return revolve(profile, sections, closed=True)


def tube(path: Floats, radius: float | Floats, sections: int = 20) -> Mesh:
    """Sweep a circle along a path in space; the ends are domed.

    Args:
        path: `(N, 3)`.
        radius: One for all, or one per point.
        sections: Points around.
    """
    radii = np.broadcast_to(np.asarray(radius, float), (len(path),))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = _transported(tangent)
    up = np.cross(tangent, side)
    angle = np.linspace(0, TAU, sections, endpoint=False)
    wheel = (
        np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    )
    rings = path[:, None] + wheel * radii[:, None, None]
    return loft(
        np.concatenate(
            [_dome(rings, path, tangent, radii, 0), rings, _dome(rings, path, tangent, radii, -1)]
        )
    )


def _dome(rings: Floats, path: Floats, tangent: Floats, radii: Floats, end: int) -> Floats:
    angle = np.linspace(0, np.pi / 2, 5)[1:-1]
    sign = -1.0 if end == 0 else 1.0
    caps = [
        path[end]
        + (rings[end] - path[end]) * np.cos(a)
        + sign * tangent[end] * radii[end] * np.sin(a)
        for a in angle
    ]
    return np.stack(caps[::-1] if end == 0 else caps)


def _transported(tangent: Floats) -> Floats:
    """A side vector carried along the path without twist."""
    first = np.cross(tangent[0], [0.0, 0.0, 1.0])
    if np.linalg.norm(first) < 1e-3:
        first = np.cross(tangent[0], [0.0, 1.0, 0.0])
    sides = [first / np.linalg.norm(first)]
    for t in tangent[1:]:
        side = sides[-1] - t * (sides[-1] @ t)
        sides.append(side / np.linalg.norm(side))
    return np.stack(sides)


def curve(points: Sequence[Sequence[float]], count: int = 24) -> Floats:
    """A Catmull-Rom spline through points of any dimension, `(count, D)`."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, len(p) - 3 - 1e-9, count)
    i = t.astype(int)
    u = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return 0.5 * (
        2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3
    )


def walled(outer: Floats, thickness: float, floor: float) -> Floats:
    """Profile of a vessel: an outer wall (radius, height) from the base up, and its hollow inside."""
    inner = outer[::-1].copy()
    inner[:, 0] = np.maximum(inner[:, 0] - thickness, 0.0)
    inner = inner[inner[:, 1] > floor + 1e-6]
    rim = outer[-1] + [-thickness / 2, thickness * 0.35]
    return np.concatenate(
        [[[0, 0]], outer, rim[None], inner, [[inner[-1, 0] * 0.9, floor], [0, floor]]]
    )


def wall_fillet(outer: Floats, radius: float, thickness: float, floor: float) -> Floats:
    """Like `walled`, its corners rounded."""
    profile = walled(outer, thickness, floor)
    return fillet([(float(r), float(z)) for r, z in profile], radius, steps=3)


def upright(mesh: Mesh) -> Mesh:
    """Raise what was drawn in x-y, so that its y becomes height and it faces the viewer (-y)."""
    return mesh.turned("x", 90)


def column_between(
    a: Sequence[float], b: Sequence[float], radius: float, end: float | None = None
) -> Mesh:
    """A straight rod, tapering to `end` if given."""
    path = np.linspace(np.asarray(a, float), np.asarray(b, float), 6)
    return tube(path, np.linspace(radius, radius if end is None else end, 6))


def arc(
    centre: Sequence[float], radius: float, start_deg: float, stop_deg: float, count: int = 24
) -> Floats:
    """Points of a circle's arc in two dimensions."""
    angle = np.radians(np.linspace(start_deg, stop_deg, count))
    return np.asarray(centre, float) + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
