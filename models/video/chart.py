"""A path as a picture, from above and from the side, before anything is rendered."""

import io
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from models.video.flight import Flight
from models.video.path import CameraPath
from models.video.spline import Array

MEDIA_TYPE: Final = "image/png"
PANEL_PX: Final = 480
MARGIN_PX: Final = 36
POINTS: Final = 240
CAMERAS: Final = 16
PAPER, INK, PALE, START, END = "#ffffff", "#22262b", "#c9ced6", "#1f9d55", "#c53030"


def draw_path(path: CameraPath, boxes: Array) -> bytes:
    """A PNG: plan and elevation, the path with cameras on it, green at its start, red at its end.

    Args:
        path: What to draw.
        boxes: Lower and upper corners of the objects, `(N, 2, 3)` metres.
    """
    flight = Flight(path)
    moments = [flight.at(path.duration_s * step / (POINTS - 1)) for step in range(POINTS - 1)]
    places = np.array([moment.pose[:3, 3] for moment in moments])
    ways = np.array([-moment.pose[:3, 2] for moment in moments])
    picture = Image.new("RGB", (2 * PANEL_PX, PANEL_PX), PAPER)
    pen = ImageDraw.Draw(picture)
    for panel, axes in enumerate(((0, 1), (0, 2))):
        _panel(pen, panel * PANEL_PX, places[:, axes], ways[:, axes], boxes[:, :, axes])
        pen.text((panel * PANEL_PX + 10, 8), ("from above", "from the side")[panel], INK)
    length = float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
    label = f"{path.duration_s:g} s, {length:.2f} m{', loop' if path.loop else ''}"
    pen.text((10, PANEL_PX - 18), label, INK)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _panel(pen: ImageDraw.ImageDraw, left: int, places: Array, ways: Array, boxes: Array) -> None:
    every = np.concatenate([places, boxes.reshape(-1, 2)])
    low, high = every.min(0), every.max(0)
    scale = (PANEL_PX - 2 * MARGIN_PX) / max(float((high - low).max()), 1e-6)
    middle = (low + high) / 2

    def put(point: Array) -> tuple[float, float]:
        x, y = (point - middle) * scale
        return left + PANEL_PX / 2 + float(x), PANEL_PX / 2 - float(y)

    for lower, upper in boxes:
        (x0, y1), (x1, y0) = put(lower), put(upper)
        pen.rectangle((x0, y0, x1, y1), fill=PALE)
    pen.line([put(place) for place in places], fill=INK, width=2)
    for index in range(0, len(places), max(1, len(places) // CAMERAS)):
        x, y = put(places[index])
        tip = put(places[index] + ways[index] / max(np.linalg.norm(ways[index]), 0.3) * 16 / scale)
        pen.line([(x, y), tip], fill=INK, width=1)
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=INK)
    for place, color in ((places[-1], END), (places[0], START)):
        x, y = put(place)
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=color)
