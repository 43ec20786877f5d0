"""Five moods of light, each a sphere of radiance around the scene.

A single environment lights everything: sun, sky, moon and softboxes are painted into it, so
that polished surfaces have something to reflect and one compiled kernel serves every mood.
The light turns with the camera, as a photographer's would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.image.render.colors import LUMINANCE, Pixels
from models.image.schema import LightName

HEIGHT_PX, WIDTH_PX = 384, 768


@dataclass(frozen=True, eq=False)
class Lighting:
    """What else shapes the light besides the scene's mood.

    Attributes:
        panorama: Radiance `(H, W, 3)` instead of the mood's; the middle column lies behind the
            objects, and white paper before the camera has radiance 1.
        turn_deg: How far the light wandered about the scene, counter-clockwise.
    """

    panorama: Pixels | None = None
    turn_deg: float = 0.0

    def radiance(self, light: LightName) -> Pixels:
        """The map that lights a scene; the first column lies behind the objects."""
        if self.panorama is None:
            return environment(light)
        return np.roll(self.panorama, self.panorama.shape[1] // 2, axis=1)

    def seen(self, ways: Pixels, azimuth_deg: float) -> Pixels:
        """Light of the panorama along unit vectors `(..., 3)` of the world."""
        assert self.panorama is not None  # noqa: S101 - asked by callers
        height, width = self.panorama.shape[:2]
        angle = np.degrees(np.arctan2(ways[..., 0], ways[..., 1])) + azimuth_deg + self.turn_deg
        columns = np.floor((angle / 360 + 0.5) % 1.0 * width).astype(int) % width
        rows = np.arccos(np.clip(ways[..., 2], -1, 1)) / np.pi * height
        return self.panorama[np.minimum(rows.astype(int), height - 1), columns]


OWN_LIGHT = Lighting()
"""The mood's light, where it belongs."""


@dataclass(frozen=True)
class Mood:
    """A light, its brightness and what lies behind the ground.

    Attributes:
        paint: Radiance for directions `(H, W, 3)` in the camera's frame: y away, z up.
        level: Brightness of a white wall in this light, as the picture shows it.
        horizon: Linear colour of the distance.
        zenith: Linear colour of the sky overhead.
        backdrop: Share of the ground's own colour in the distance; 1 is a seamless studio paper.
        glow: Strength of lit lamps and flames against the wall.
    """

    paint: Callable[[Pixels], Pixels]
    level: float
    horizon: tuple[float, float, float]
    zenith: tuple[float, float, float]
    backdrop: float
    glow: float


def _directions(height_px: int = HEIGHT_PX, width_px: int = WIDTH_PX) -> Pixels:
    """Unit vectors of the map's pixels, `(H, W, 3)`; the middle column looks at the viewer."""
    u = (np.arange(width_px) + 0.5) / width_px * 2 * np.pi
    v = (np.arange(height_px) + 0.5) / height_px * np.pi
    ring, z = np.sin(v)[:, None], np.cos(v)[:, None]
    x, y = ring * np.sin(u), ring * np.cos(u)
    return np.stack([x, y, np.broadcast_to(z, x.shape)], -1).astype(np.float32)


def _aim(azimuth_deg: float, elevation_deg: float) -> Pixels:
    """Unit vector; azimuth 0 is behind the objects, 90 right, 180 behind the camera."""
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    return np.array([np.cos(e) * np.sin(a), np.cos(e) * np.cos(a), np.sin(e)], np.float32)


def _disc(ways: Pixels, centre: Pixels, radius_deg: float, soft: float = 0.25) -> Pixels:
    angle = np.degrees(np.arccos(np.clip(ways @ centre, -1, 1)))
    return _smooth((radius_deg * (1 + soft) - angle) / (2 * soft * radius_deg))[..., None]


def _lobe(ways: Pixels, centre: Pixels, sharpness: float) -> Pixels:
    return np.exp(sharpness * (ways @ centre - 1))[..., None]


def _softbox(ways: Pixels, centre: Pixels, width_deg: float, height_deg: float) -> Pixels:
    """A rectangular light with a bright middle and a soft edge."""
    side = np.cross(centre, [0, 0, 1.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, centre)
    facing = np.maximum(ways @ centre, 1e-3)
    a = np.abs(ways @ side / facing) / np.tan(np.radians(width_deg / 2))
    b = np.abs(ways @ up / facing) / np.tan(np.radians(height_deg / 2))
    edge = _smooth((1.06 - np.maximum(a, b)) / 0.12) * (ways @ centre > 0)
    return (edge * (1 - 0.25 * (a**2 + b**2) / 2))[..., None]


def _smooth(t: Pixels) -> Pixels:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _gradient(
    ways: Pixels, horizon: tuple[float, ...], zenith: tuple[float, ...], power: float
) -> Pixels:
    height = np.maximum(ways[..., 2:], 0) ** power
    return np.array(horizon) * (1 - height) + np.array(zenith) * height


def _sun(ways: Pixels) -> Pixels:
    sun = _aim(-122, 42)
    return (
        _gradient(ways, (0.8, 0.9, 1.0), (0.16, 0.32, 0.7), 0.45) * 0.5
        + np.exp(-((ways[..., 2:] / 0.24) ** 2)) * np.array([1.5, 1.6, 1.7])
        + _lobe(ways, sun, 9) * np.array([0.9, 0.8, 0.66])
        + _disc(ways, sun, 1.9) * np.array([1.0, 0.92, 0.8]) * 1500
    )


def _sky(ways: Pixels) -> Pixels:
    window = _aim(-105, 50)
    return (
        _gradient(ways, (0.62, 0.72, 0.84), (0.42, 0.56, 0.84), 0.6) * 0.42
        + _lobe(ways, window, 4) * np.array([1.2, 1.16, 1.08])
        + _lobe(ways, window, 34) * np.array([17.0, 16.2, 15.0])
    )


def _studio(ways: Pixels) -> Pixels:
    return (
        _gradient(ways, (0.12, 0.12, 0.125), (0.2, 0.2, 0.21), 1.0)
        + _softbox(ways, _aim(-128, 46), 46, 40) * np.array([1.0, 0.97, 0.93]) * 13
        + _softbox(ways, _aim(62, 30), 20, 56) * np.array([0.9, 0.95, 1.0]) * 9
        + _softbox(ways, _aim(-48, 28), 12, 46) * np.array([1.0, 1.0, 1.0]) * 5
        + _softbox(ways, _aim(112, 24), 40, 40) * np.array([0.92, 0.96, 1.0]) * 1.6
        + _disc(ways, _aim(0, 84), 26, 0.4) * 2.2
    )


def _sunset(ways: Pixels) -> Pixels:
    sun = _aim(-98, 14)
    band = np.exp(-((ways[..., 2:] / 0.2) ** 2))
    return (
        _gradient(ways, (0.5, 0.4, 0.5), (0.13, 0.18, 0.42), 0.5) * 0.42
        + band * _lobe(ways, sun, 1.3) * np.array([1.5, 0.6, 0.2])
        + _lobe(ways, sun, 20) * np.array([4.0, 1.9, 0.7])
        + _disc(ways, sun, 2.2) * np.array([1.0, 0.6, 0.27]) * 1500
    )


def _night(ways: Pixels) -> Pixels:
    moon = _aim(52, 40)
    light = (
        _gradient(ways, (0.12, 0.2, 0.46), (0.03, 0.06, 0.2), 0.5) * 0.9
        + _lobe(ways, moon, 6) * np.array([0.2, 0.32, 0.6])
        + _disc(ways, moon, 4.0) * np.array([0.5, 0.7, 1.0]) * 150
        + _softbox(ways, _aim(-114, 13), 18, 20) * np.array([1.0, 0.52, 0.18]) * 26
    )
    for azimuth, elevation in _FAR_LAMPS:
        lamp = _disc(ways, _aim(azimuth, elevation), 1.5)
        light = light + lamp * np.array([1.0, 0.62, 0.28]) * 12
    return light


_FAR_LAMPS = ((-30, 5), (-14, 7), (18, 4), (33, 8), (-58, 6), (150, 7), (200, 5), (120, 6))
"""Azimuth and elevation of street lamps, seen only as reflections."""

MOODS: dict[LightName, Mood] = {
    "sun": Mood(_sun, 0.96, (0.74, 0.86, 0.98), (0.3, 0.52, 0.9), 0.2, 1.0),
    "sky": Mood(_sky, 0.92, (0.86, 0.89, 0.93), (0.66, 0.76, 0.92), 0.45, 1.0),
    "studio": Mood(_studio, 0.92, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 1.0, 1.0),
    "sunset": Mood(_sunset, 0.78, (1.0, 0.5, 0.24), (0.36, 0.3, 0.5), 0.15, 1.2),
    "night": Mood(_night, 0.36, (0.035, 0.06, 0.14), (0.008, 0.014, 0.045), 0.12, 6.0),
}


@cache
def environment(light: LightName) -> Pixels:
    """Radiance map `(H, W, 3)` in which a white wall before the camera has radiance 1."""
    ways = _directions()
    radiance = np.maximum(MOODS[light].paint(ways), 0).astype(np.float32)
    return np.asarray(radiance / _metered(radiance, ways), np.float32)


@cache
def key_light(light: LightName) -> tuple[Pixels, Pixels]:
    """Colour, its strongest part 1, and direction to the brightest part, each `(3,)`.

    The direction is in the camera's frame, as that of `_directions`.
    """
    radiance, ways = environment(light), _directions()
    luminance = radiance @ LUMINANCE * np.sqrt(1 - ways[..., 2] ** 2)
    bright = luminance >= np.quantile(luminance, 0.995)
    weights = luminance[bright][:, None]
    direction = (ways[bright] * weights).sum(0)
    color = (radiance[bright] * weights).sum(0)
    return color / color.max(), direction / np.linalg.norm(direction)


def metered_panorama(radiance: Pixels) -> Pixels:
    """A panorama, its middle column behind the objects, brought to the brightness of our own."""
    height, width = radiance.shape[:2]
    turned = np.roll(radiance, width // 2, axis=1)
    level = _metered(turned, _directions(height, width))
    return np.asarray(radiance / max(level, 1e-6), np.float32)


def _metered(radiance: Pixels, ways: Pixels) -> float:
    """Radiance of white paper, the mean of one lying flat and of two facing the camera's side."""
    ring = np.sqrt(np.maximum(1 - ways[..., 2] ** 2, 0))
    solid = ring * (np.pi / ways.shape[0]) * (2 * np.pi / ways.shape[1])
    luminance = radiance.mean(-1) * (ways[..., 2] > 0)
    papers = [(0.5, _aim(0, 90)), (0.3, _aim(180, 20)), (0.2, _aim(-120, 20))]
    return sum(
        w * float((luminance * np.maximum(ways @ n, 0) * solid).sum()) / np.pi for w, n in papers
    )
