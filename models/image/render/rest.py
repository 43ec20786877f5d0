"""How far an object falls before it touches the one below."""

import numpy as np

from models.image.render.colors import Pixels

TOUCHING_M = 0.001
MAX_PROBES = 500
CHUNK = 2_000_000


def resting_height(above: Pixels, below: Pixels) -> float:
    """Height to raise an object by, so that it just touches what is below it.

    Args:
        above: `(3F, 3)` corners of the falling object, its base at 0.
        below: `(3G, 3)` corners of its supporter.

    Returns:
        The height of its base; 0, the ground, where nothing is below.
    """
    top = _gaps(above, below, downward=True)
    bottom = _gaps(below, above, downward=False)
    gaps = np.concatenate([top, bottom])
    return max(0.0, float(gaps.max()) - TOUCHING_M) if len(gaps) else 0.0


def _gaps(probes: Pixels, surface: Pixels, *, downward: bool) -> Pixels:
    """Rise that each probe asks for against the surface straight below (or above) it."""
    triangles = _over(surface.reshape(-1, 3, 3), probes)
    points = _thinned(_inside(probes, triangles), downward=downward)
    if not len(points) or not len(triangles):
        return np.empty(0, np.float32)
    step = max(1, CHUNK // len(triangles))
    parts = [
        _heights(points[i : i + step], triangles, highest=downward)
        for i in range(0, len(points), step)
    ]
    heights = np.concatenate(parts)
    hit = np.isfinite(heights)
    rise = heights - points[:, 2] if downward else points[:, 2] - heights
    return np.asarray(rise[hit], np.float32)


def _over(triangles: Pixels, probes: Pixels) -> Pixels:
    """The triangles whose bounds in x-y meet those of the probes."""
    low, high = probes[:, :2].min(0), probes[:, :2].max(0)
    near = (triangles[:, :, :2].max(1) >= low).all(1) & (triangles[:, :, :2].min(1) <= high).all(1)
    return np.asarray(triangles[near], np.float32)


def _inside(points: Pixels, triangles: Pixels) -> Pixels:
    if not len(triangles):
        return points[:0]
    low, high = triangles[:, :, :2].min((0, 1)), triangles[:, :, :2].max((0, 1))
    return np.asarray(points[((points[:, :2] >= low) & (points[:, :2] <= high)).all(1)], np.float32)


def _thinned(points: Pixels, *, downward: bool) -> Pixels:
    """The lowest (or highest) probe of each cell of a fine grid: only those can touch."""
    if not len(points):
        return points
    low, span = points[:, :2].min(0), np.ptp(points[:, :2], axis=0).max() + 1e-9
    side = int(np.sqrt(MAX_PROBES))
    cell = ((points[:, :2] - low) / span * (side - 1e-6)).astype(int)
    order = np.argsort(points[:, 2] if downward else -points[:, 2], kind="stable")
    _, first = np.unique(cell[order, 0] * side + cell[order, 1], return_index=True)
    return np.asarray(points[order[first]], np.float32)


def _heights(points: Pixels, triangles: Pixels, *, highest: bool) -> Pixels:
    """Highest (or lowest) height of the triangles on the vertical through each point; else inf."""
    a, b, c = (triangles[None, :, k] for k in range(3))
    x, y = points[:, None, 0], points[:, None, 1]
    area = (b[..., 1] - c[..., 1]) * (a[..., 0] - c[..., 0]) + (c[..., 0] - b[..., 0]) * (
        a[..., 1] - c[..., 1]
    )
    safe = np.where(np.abs(area) < 1e-12, np.inf, area)
    u = (
        (b[..., 1] - c[..., 1]) * (x - c[..., 0]) + (c[..., 0] - b[..., 0]) * (y - c[..., 1])
    ) / safe
    v = (
        (c[..., 1] - a[..., 1]) * (x - c[..., 0]) + (a[..., 0] - c[..., 0]) * (y - c[..., 1])
    ) / safe
    inside = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & np.isfinite(safe)
    height = u * a[..., 2] + v * b[..., 2] + (1 - u - v) * c[..., 2]
    lost = -np.inf if highest else np.inf
    height = np.where(inside, height, lost)
    return np.asarray(height.max(1) if highest else height.min(1), np.float32)
