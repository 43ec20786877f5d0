"""Pictures that no scene holds: writing, rules, plane figures, gratings, and grain over soft light."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.float32]
Painter = Callable[[np.random.Generator, int], Floats]

FINER: Final = 4
"""Drawings are made that much larger and averaged down, which smooths their edges."""
SYLLABLES: Final = (
    "ka", "lo", "mi", "ter", "ven", "sa", "ru", "no", "pel", "ish", "and", "or", "the", "qua", "zim",
    "fo",  # codespell:ignore fo
    "bri", "ght", "0", "1", "2", "3", "7", "48", "%", "&", "@", "(", ")", "-", "+", "=", "Al",
    "Be", "Gr", "Ry", "Th", "Wo", "X", "Z", ";",
)  # fmt: skip


def text(rng: np.random.Generator, side_px: int) -> Floats:
    """Lines of made-up words in several sizes, some turned."""
    large = side_px * 2
    paper, ink = _two_tones(rng)
    page = Image.new("L", (large, large), paper)
    pen, top = ImageDraw.Draw(page), 0
    while top < large:
        size = int(rng.choice([14, 18, 22, 28, 36, 52, 80, 120]))
        words = (
            "".join(rng.choice(SYLLABLES, int(rng.integers(1, 5)))) for _ in range(large // size)
        )
        font = ImageFont.load_default(size)
        stroke = int(rng.random() < 0.2)
        pen.text((-int(rng.integers(size)), top), " ".join(words), ink, font, stroke_width=stroke)
        top += round(size * 1.3)
    if rng.random() < 0.4:
        page = page.rotate(float(rng.uniform(-30, 30)), Image.Resampling.BICUBIC, fillcolor=paper)
    return _averaged(page, 2)


def figures(rng: np.random.Generator, side_px: int) -> Floats:
    """Polygons, ellipses and rules over one another, lit unevenly."""
    large = side_px * FINER
    page = Image.new("L", (large, large), int(rng.integers(256)))
    pen = ImageDraw.Draw(page)
    for _ in range(40):
        tone = int(rng.integers(256))
        x, y = (int(place) for place in rng.integers(0, large, 2))
        reach = int(rng.uniform(4, 90)) * FINER
        corners = rng.integers(-reach, reach + 1, (int(rng.integers(3, 6)), 2))
        kind = rng.integers(3)
        if kind == 0:
            pen.polygon([(x + int(a), y + int(b)) for a, b in corners], tone)
        elif kind == 1:
            pen.ellipse((x, y, x + reach, y + int(reach * rng.uniform(0.3, 1))), tone)
        else:
            ends = [(int(a), int(b)) for a, b in rng.integers(0, large, (2, 2))]
            pen.line(ends, tone, int(rng.uniform(0.6, 5) * FINER))
    return np.clip(_averaged(page, FINER) * (0.75 + 0.5 * soft(rng, side_px)), 0, 1)


def gratings(rng: np.random.Generator, side_px: int) -> Floats:
    """Waves, bars and checks of many pitches and turns, side by side."""
    picture = np.empty((side_px, side_px), np.float32)
    tile = side_px // 4
    y, x = np.mgrid[0 : tile * FINER, 0 : tile * FINER] / FINER
    for top in range(0, side_px, tile):
        for left in range(0, side_px, tile):
            angle = rng.uniform(0, np.pi)
            pitch = float(np.exp(rng.uniform(np.log(2.5), np.log(24))))
            along = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / pitch
            across = 2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / pitch
            kind = rng.integers(3)
            wave = np.sin(along)
            if kind == 1:
                wave = np.sign(wave)
            elif kind == 2:
                wave = np.sign(wave * np.sin(across))
            few = wave.reshape(tile, FINER, tile, FINER).mean((1, 3))
            low, high = np.sort(rng.random(2))
            picture[top : top + tile, left : left + tile] = low + (high - low) * (few + 1) / 2
    return picture


def textures(rng: np.random.Generator, side_px: int) -> Floats:
    """Grain whose strength falls with frequency, as in cloth, stone and leaves."""
    frequency = np.hypot(np.fft.fftfreq(side_px)[:, None], np.fft.rfftfreq(side_px)[None])
    noise = np.fft.rfft2(rng.normal(size=(side_px, side_px)))
    fall = rng.uniform(1.0, 2.0)
    grain = np.fft.irfft2(noise / np.maximum(frequency, 1 / side_px) ** fall, (side_px, side_px))
    grain = grain / grain.std() * rng.uniform(0.08, 0.25)
    if rng.random() < 0.5:  # stones and leaves have edges
        grain = np.tanh(grain * rng.uniform(4, 12)) * 0.25
    return np.asarray(np.clip(0.5 + grain, 0, 1), np.float32)


def gradients(rng: np.random.Generator, side_px: int) -> Floats:
    """Soft light alone: what enlarging must leave alone."""
    return soft(rng, side_px)


def soft(rng: np.random.Generator, side_px: int) -> Floats:
    """A few broad waves, in 0-1."""
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    total = np.zeros((side_px, side_px))
    for _ in range(4):
        across, down = rng.uniform(-1.5, 1.5, 2)
        total += np.sin(2 * np.pi * (across * x + down * y) + rng.uniform(0, 2 * np.pi))
    return np.asarray((total - total.min()) / np.ptp(total), np.float32)


PAINTERS: Final[Mapping[str, Painter]] = {
    "text": text,
    "figures": figures,
    "gratings": gratings,
    "textures": textures,
    "gradients": gradients,
}


def _two_tones(rng: np.random.Generator) -> tuple[int, int]:
    paper, ink = 245 + int(rng.integers(10)), int(rng.integers(60))
    if rng.random() < 0.3:
        paper, ink = int(rng.integers(120, 255)), int(rng.integers(0, 100))
    return (ink, paper) if rng.random() < 0.4 else (paper, ink)


def _averaged(page: Image.Image, times: int) -> Floats:
    return np.asarray(page.reduce(times), np.float32) / np.float32(255)
