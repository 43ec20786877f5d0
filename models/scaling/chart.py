"""The timeline of a simulation as a picture."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH_PX, HEIGHT_PX, MARGIN_PX = 960, 320, 40
POINTS = 480
COLORS = ("#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#a61e4d")
IN_PROGRESS = "#adb5bd"

Timeline = Sequence[tuple[float, int, int]]


def draw(timelines: Mapping[str, Timeline]) -> str:
    """SVG of replicas over time, one line per policy, and the requests in progress of the first.

    Args:
        timelines: Time in seconds, target and requests in progress, by policy.
    """
    first = next(iter(timelines.values()))
    end_s = max(line[-1][0] for line in timelines.values()) or 1.0
    top = max(max(target, 1) for line in timelines.values() for _, target, _ in line)
    busy = [(at_s, min(count, top)) for at_s, _, count in _thin(first)]
    lines = [_path(busy, end_s, top, IN_PROGRESS)]
    labels = [_label("in progress", IN_PROGRESS, 0)]
    for number, (name, line) in enumerate(timelines.items()):
        color = COLORS[number % len(COLORS)]
        lines.append(_path([(at_s, target) for at_s, target, _ in _thin(line)], end_s, top, color))
        labels.append(_label(name, color, number + 1))
    axis = (
        f'<text x="4" y="{MARGIN_PX}">{top}</text><text x="4" y="{HEIGHT_PX - MARGIN_PX}">0</text>'
        f'<text x="{WIDTH_PX - MARGIN_PX}" y="{HEIGHT_PX - 12}" text-anchor="end">'
        f"{end_s / 3600:.1f} h</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" '
        f'font-family="sans-serif" font-size="12"><title>Replicas over time</title>'
        f'<rect width="100%" height="100%" fill="white"/>{axis}{"".join(lines)}{"".join(labels)}</svg>'
    )


def _thin(line: Timeline) -> Timeline:
    """At most `POINTS` points, each the largest of its stretch."""
    step = max(1, -(-len(line) // POINTS))
    return [max(line[i : i + step], key=lambda point: point[1]) for i in range(0, len(line), step)]


def _path(points: Sequence[tuple[float, int]], end_s: float, top: int, color: str) -> str:
    width, height = WIDTH_PX - 2 * MARGIN_PX, HEIGHT_PX - 2 * MARGIN_PX
    said = " ".join(
        f"{MARGIN_PX + width * at_s / end_s:.1f},{HEIGHT_PX - MARGIN_PX - height * value / top:.1f}"
        for at_s, value in points
    )
    return f'<polyline points="{said}" fill="none" stroke="{color}" stroke-width="1.5"/>'


def _label(name: str, color: str, place: int) -> str:
    return f'<text x="{MARGIN_PX + 150 * place}" y="20" fill="{color}">{escape(name)}</text>'
