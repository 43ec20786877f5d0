"""Pictures with depth that tests film."""

import numpy as np

from models.video.nerf.arrays import Bytes, Floats

HIGH, WIDE = 96, 160
TANGENTS = (0.5 * WIDE / HIGH, 0.5)


def waves() -> Bytes:
    y, x = np.mgrid[:HIGH, :WIDE]
    tones = [np.sin(x / 5) + np.cos(y / 7), np.cos(x / 9 - y / 4), np.sin((x + y) / 11)]
    return np.asarray(127 + 50 * np.stack(tones, -1), np.uint8)


def box_before_wall(near_m: float = 2.0, far_m: float = 5.0) -> tuple[Bytes, Floats]:
    colour, nearness = waves(), np.full((HIGH, WIDE), 1 / far_m, np.float32)
    colour[30:66, 60:100] = 255 - colour[30:66, 60:100]
    nearness[30:66, 60:100] = 1 / near_m
    return colour, nearness
