"""A fan chart: the last closes, and the odds as bands that widen."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from models.crypto.candles import STEP_MS, FloatArray
from models.crypto.schema import Prediction

WIDTH_PX, HEIGHT_PX = 960, 480
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 20, 90, 44, 36
BANDS = ("#d0ebff", "#a5d8ff", "#74c0fc", "#4dabf7")
PAST, MIDDLE, BASELINE, GRID, TEXT = "#343a40", "#1864ab", "#868e96", "#e9ecef", "#495057"

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """A filled band or a line, in pixels."""

    points: tuple[Point, ...]
    color: str
    filled: bool = False
    width_px: int = 2


@dataclass(frozen=True)
class Label:
    """A word at a place, in pixels; `end` aligns it to the right."""

    place: Point
    text: str
    end: bool = False


@dataclass(frozen=True)
class Drawing:
    """What a chart is made of, from the back to the front."""

    shapes: tuple[Shape, ...]
    labels: tuple[Label, ...]


def layout(prediction: Prediction, opens_at_ms: Sequence[float], closes: FloatArray) -> Drawing:
    """Place the last closes and the odds.

    Args:
        prediction: Of one coin.
        opens_at_ms: Of the last bars.
        closes: Of the same bars, USD.
    """
    step_ms = STEP_MS[prediction.interval]
    past = [(at + step_ms, float(usd)) for at, usd in zip(opens_at_ms, closes, strict=True)]
    now = past[-1]
    ahead_ms = [prediction.made_at_ms + step_ms * step for step in prediction.steps]
    odds, base = prediction.odds.quantiles_usd, prediction.baseline.quantiles_usd
    prices = [usd for _, usd in past] + [usd for row in (*odds, *base) for usd in row]
    low, high = min(prices), max(prices)
    room = (high - low or 1.0) * 0.06
    scale = _Scale(past[0][0], ahead_ms[-1], low - room, high + room)
    shapes = [scale.rule(low + (high - low) * part / 4) for part in range(5)]
    count = len(prediction.levels)
    for place in range(count // 2):
        lower = [(at, row[place]) for at, row in zip(ahead_ms, odds, strict=True)]
        upper = [(at, row[count - 1 - place]) for at, row in zip(ahead_ms, odds, strict=True)]
        edge = [now, *upper, *reversed(lower)]
        shapes.append(Shape(scale.points(edge), BANDS[min(place, len(BANDS) - 1)], filled=True))
    for place, color in ((0, BASELINE), (count - 1, BASELINE)):
        line = [now, *((at, row[place]) for at, row in zip(ahead_ms, base, strict=True))]
        shapes.append(Shape(scale.points(line), color, width_px=1))
    if count % 2:
        line = [now, *((at, row[count // 2]) for at, row in zip(ahead_ms, odds, strict=True))]
        shapes.append(Shape(scale.points(line), MIDDLE))
    shapes.append(Shape(scale.points(past), PAST))
    return Drawing(tuple(shapes), tuple(_labels(prediction, scale, low, high, past[0][0])))


def svg(drawing: Drawing, title: str) -> bytes:
    """The drawing as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" '
        f'font-family="sans-serif" font-size="13" fill="{TEXT}"><title>{escape(title)}</title>'
        '<rect width="100%" height="100%" fill="white"/>'
    ]
    for shape in drawing.shapes:
        said = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        kind = "polygon" if shape.filled else "polyline"
        look = (
            f'fill="{shape.color}"'
            if shape.filled
            else f'fill="none" stroke="{shape.color}" stroke-width="{shape.width_px}"'
        )
        parts.append(f'<{kind} points="{said}" {look}/>')
    for label in drawing.labels:
        x, y = label.place
        anchor = ' text-anchor="end"' if label.end else ""
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(label.text)}</text>')
    return ("".join(parts) + "</svg>").encode()


def png(drawing: Drawing) -> bytes:
    """The drawing as PNG, its edges smoothed."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  # most answers have no chart

    finer = 2
    image = Image.new("RGB", (WIDTH_PX * finer, HEIGHT_PX * finer), "white")
    canvas = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        points = [(x * finer, y * finer) for x, y in shape.points]
        if shape.filled:
            canvas.polygon(points, fill=shape.color)
        else:
            canvas.line(points, fill=shape.color, width=shape.width_px * finer, joint="curve")
    font = ImageFont.load_default(13 * finer)
    for label in drawing.labels:
        x, y = (part * finer for part in label.place)
        canvas.text((x, y), label.text, fill=TEXT, font=font, anchor="rs" if label.end else "ls")
    file = io.BytesIO()
    image.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


@dataclass(frozen=True)
class _Scale:
    """Time and price to pixels."""

    first_ms: float
    last_ms: float
    low: float
    high: float

    def point(self, at_ms: float, usd: float) -> Point:
        width, height = WIDTH_PX - LEFT_PX - RIGHT_PX, HEIGHT_PX - TOP_PX - BOTTOM_PX
        right = (at_ms - self.first_ms) / (self.last_ms - self.first_ms)
        up = (usd - self.low) / (self.high - self.low)
        return round(LEFT_PX + width * right, 2), round(HEIGHT_PX - BOTTOM_PX - height * up, 2)

    def points(self, places: Sequence[tuple[float, float]]) -> tuple[Point, ...]:
        return tuple(self.point(*place) for place in places)

    def rule(self, usd: float) -> Shape:
        ends = ((self.first_ms, usd), (self.last_ms, usd))
        return Shape(self.points(ends), GRID, width_px=1)


def _labels(
    prediction: Prediction, scale: _Scale, low: float, high: float, first_ms: float
) -> list[Label]:
    levels = prediction.levels
    title = f"{prediction.symbol}/USD, {prediction.interval}: {prediction.model}"
    if prediction.synthetic:
        title = f"INVENTED MARKET  {title}"
    said = (
        f"bands {levels[0]:.1%} to {levels[-1]:.1%}; grey: random walk; "
        f"{prediction.provenance.venue}, {_moment(prediction.made_at_ms)}"
    )
    labels = [Label((LEFT_PX, 20), title), Label((LEFT_PX, 37), said)]
    for part in range(5):
        usd = low + (high - low) * part / 4
        _, y = scale.point(first_ms, usd)
        labels.append(Label((WIDTH_PX - RIGHT_PX + 6, y + 4), f"{usd:,.6g}"))
    bottom = HEIGHT_PX - 12
    labels.append(Label((LEFT_PX, bottom), _moment(first_ms)))
    labels.append(Label((WIDTH_PX - RIGHT_PX, bottom), _moment(scale.last_ms), end=True))
    return labels


def _moment(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
