"""Lines over time as a picture."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH_PX, HEIGHT_PX, MARGIN_PX = 960, 320, 40
POINTS = 480
COLORS = ("#adb5bd", "#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#a61e4d")

Line = Sequence[tuple[float, float]]


def draw(lines: Mapping[str, Line], title: str) -> str:
    """SVG of one line per name over time.

    Args:
        lines: Time in seconds and value.
        title: What is shown.
    """
    points = [point for line in lines.values() for point in line]
    end_s = max((at_s for at_s, _ in points), default=0.0) or 1.0
    top = max((value for _, value in points), default=0.0) or 1.0
    drawn = []
    for number, (name, line) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        drawn.append(_path(_thin(line), end_s, top, color))
        place = MARGIN_PX + 150 * number
        drawn.append(f'<text x="{place}" y="20" fill="{color}">{escape(name)}</text>')
    bottom = HEIGHT_PX - MARGIN_PX
    drawn.append(f'<text x="4" y="{MARGIN_PX}">{top:g}</text><text x="4" y="{bottom}">0</text>')
    right = f'x="{WIDTH_PX - MARGIN_PX}" y="{HEIGHT_PX - 12}" text-anchor="end"'
    drawn.append(f"<text {right}>{end_s / 3600:.2f} h</text>")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>'
    )


def _thin(line: Line) -> Line:
    """Few enough points for the width, each the largest of its stretch."""
    step = max(1, -(-len(line) // POINTS))
    return [max(line[i : i + step], key=lambda point: point[1]) for i in range(0, len(line), step)]


def _path(points: Line, end_s: float, top: float, color: str) -> str:
    width, height = WIDTH_PX - 2 * MARGIN_PX, HEIGHT_PX - 2 * MARGIN_PX
    said = " ".join(
        f"{MARGIN_PX + width * at_s / end_s:.1f},{HEIGHT_PX - MARGIN_PX - height * value / top:.1f}"
        for at_s, value in points
    )
    return f'<polyline points="{said}" fill="none" stroke="{color}" stroke-width="1.5"/>'
