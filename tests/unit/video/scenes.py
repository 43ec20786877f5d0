"""A scene whose pictures are known in closed form: two coloured balls over nothing."""

import functools

import numpy as np

from models.video.camera import Camera, look_at
from models.video.nerf.views import Views

BALLS = ((np.array([0.35, 0.1, 0.4]), 0.4), (np.array([-0.4, -0.1, 0.3]), 0.3))


@functools.cache
def balls_views(count: int = 14, side: int = 32, seed: int = 0) -> Views:
    """Posed pictures of the balls, coverage exact to a quarter of a pixel."""
    random = np.random.default_rng(seed)
    cameras, images = [], []
    for _ in range(count):
        azimuth, height = random.uniform(0, 2 * np.pi), random.uniform(0.1, 0.9)
        flat = np.sqrt(1 - height**2)
        eye = 3 * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), height]) + [0, 0, 0.3]
        cameras.append(Camera(look_at(eye, np.array([0, 0, 0.35])), 40, side, side))
        images.append(balls_picture(cameras[-1]))
    return Views(np.stack(images), tuple(cameras), (3, 9), "analytic")


def balls_picture(camera: Camera, fine: int = 4) -> np.ndarray:
    """RGBA `(h, w, 4)` float32: colours follow from where on a ball the ray ends."""
    big = Camera(camera.pose, camera.fov_y_deg, camera.width * fine, camera.height * fine)
    origins, ways = (a.astype(np.float64) for a in big.rays(range(big.height)))
    nearest = np.full(ways.shape[:2], np.inf)
    color = np.zeros(ways.shape)
    for centre, radius in BALLS:
        offset = origins - centre
        half = (ways * offset).sum(-1)
        root = half**2 - ((offset**2).sum(-1) - radius**2)
        t = np.where(root > 0, -half - np.sqrt(np.maximum(root, 0)), np.inf)
        closer = t < nearest
        normal = (offset + np.where(np.isfinite(t), t, 0)[..., None] * ways) / radius
        color[closer] = (0.5 + 0.45 * np.sin(3 * normal + centre * 4))[closer]
        nearest = np.minimum(nearest, t)
    hit = np.isfinite(nearest)[..., None]
    both = np.concatenate([color * hit, hit], -1)
    mean = both.reshape(camera.height, fine, camera.width, fine, 4).mean((1, 3))
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    return mean.astype(np.float32)
