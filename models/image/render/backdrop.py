"""What lies in the distance: the ground fades into sky, or into seamless paper."""

import numpy as np

from models.image.render.colors import Pixels, linear
from models.image.render.lights import MOODS, OWN_LIGHT, Lighting, Mood
from models.image.render.view import View
from models.image.schema import Scene

BRIGHTEST = 16.0
"""Light of the backdrop, white paper being 1: as for what is traced."""


def with_backdrop(
    color: Pixels,
    depth: Pixels,
    scene: Scene,
    view: View,
    points: Pixels,
    lighting: Lighting = OWN_LIGHT,
) -> Pixels:
    """Fade the far ground and the empty sky into the mood's backdrop.

    Args:
        color: `(H, W, 3)` traced light.
        depth: `(H, W)` distance along the ray; 0 where nothing was hit.
        scene: Its light and ground choose the backdrop.
        view: Where the picture was taken from.
        points: `(N, 3)` of the objects, which never fade.
        lighting: A panorama is its own backdrop.
    """
    height, width = depth.shape
    ways = view.directions(width, height)
    centre = (points.min(0) + points.max(0))[:2] / 2
    reach = float(np.linalg.norm(points[:, :2] - centre, axis=1).max())
    place = view.eye[:2] + ways[..., :2] * depth[..., None]
    away = np.linalg.norm(place - centre, axis=-1)
    near = reach * 1.3 + (0.0 if MOODS[scene.light].backdrop == 1 else 0.5) * view.distance_m
    far = near + 2.4 * view.distance_m
    fade = np.clip((away - near) / (far - near), 0, 1)
    fade = np.where(depth > 0, fade * fade * (3 - 2 * fade), 1.0)[..., None]
    if lighting.panorama is None:
        behind = _distance(scene, view, ways)
    else:
        behind = np.minimum(lighting.seen(ways, scene.camera.azimuth_deg), BRIGHTEST)
    return (color * (1 - fade) + behind * fade).astype(np.float32)


def _distance(scene: Scene, view: View, ways: Pixels) -> Pixels:
    mood = MOODS[scene.light]
    rise = np.degrees(np.arcsin(np.clip(ways[..., 2:], -1, 1)))
    sky = _between(np.array(mood.horizon), np.array(mood.zenith), np.clip(rise / 55, 0, 1) ** 0.7)
    return (
        _paper(scene, mood, rise) * mood.backdrop + sky / mood.level * (1 - mood.backdrop)
    ).astype(np.float32)


def _paper(scene: Scene, mood: Mood, rise_deg: Pixels) -> Pixels:
    """The ground's colour, darker the higher it hangs."""
    falloff = 0.95 - 0.55 * np.clip((rise_deg + 14) / 50, 0, 1)
    return linear(scene.ground.color) * falloff * (0.9 if mood.backdrop == 1 else 1.0)


def _between(low: Pixels, high: Pixels, share: Pixels) -> Pixels:
    return np.asarray(low * (1 - share) + high * share, np.float32)
