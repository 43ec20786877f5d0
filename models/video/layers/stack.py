"""A picture and its depth taken apart into surfaces one behind another."""

from typing import Final

import numpy as np

from models.video.layers.arrays import NOTHING, Flags, Stack
from models.video.nerf.arrays import Bytes, Floats

MAX_LAYERS: Final = 4
MARGIN: Final = 0.08
"""Shares of the picture that are made up beyond each of its sides."""
REACH: Final = 0.1
"""How far surfaces go on behind others, in longer sides of the picture."""
JUMP: Final = 0.03
"""Neighbours farther apart than that share of all nearness are not of one surface."""
FLAT: Final = 1e-3
"""Least jump, as a share of the nearness itself: depth maps have noise."""
SHARPENINGS: Final = 8
SWEEPS: Final = 80
FEW: Final = 1e-4
"""Share of the points that a further layer is worth."""


def stack_of(colour: Bytes, nearness: Floats, tangents: tuple[float, float]) -> Stack:
    """The surfaces of a picture.

    Args:
        colour: `(H, W, 3)` sRGB.
        nearness: `(H, W)` 1 / distance along the camera's axis, >= 0.
        tangents: Half the width and half the height of the picture at distance 1.
    """
    jump = np.float32(jump_of(nearness))
    height, width = nearness.shape
    near = _clean(np.ascontiguousarray(nearness, np.float32), colour, jump)
    across, down = round(MARGIN * width), round(MARGIN * height)
    sides = ((down, down), (across, across))
    near = np.pad(near, sides, "edge")
    # A mirror goes on as the picture does: grass with grass, a wall with a wall.
    paint = np.pad(colour, (*sides, (0, 0)), "symmetric")
    made = np.pad(np.zeros(nearness.shape, np.uint8), sides, constant_values=1)
    layers = _peeled(near, paint, made, jump, round(REACH * max(height, width)))
    far = near <= np.quantile(near, 0.1)
    return Stack(
        nearness=np.ascontiguousarray(np.stack([layer[0] for layer in layers])),
        colour=np.ascontiguousarray(np.stack([layer[1] for layer in layers])),
        made=np.ascontiguousarray(np.stack([layer[2] for layer in layers])),
        squares=np.ascontiguousarray(np.stack([layer[3] for layer in layers])),
        focal_px=np.array([width / 2 / tangents[0], height / 2 / tangents[1]]),
        centre_px=np.array([width / 2 + across, height / 2 + down]),
        jump=jump,
        beyond=paint[far].mean(0).astype(np.float32),
    )


def jump_of(nearness: Floats) -> float:
    """Difference in nearness between neighbours that are not of one surface."""
    low, high = np.quantile(nearness, (0.01, 0.99))
    return float(JUMP * (high - low) + FLAT * high)


def _clean(nearness: Floats, colour: Bytes, jump: np.float32) -> Floats:
    """The depth with sharp edges that lie just outside of what they are the edges of."""
    from models.video.layers.peel import sharpen, widen  # noqa: PLC0415  # compiles

    for _ in range(SHARPENINGS):
        sharp = np.empty_like(nearness)
        moved = sharpen(nearness, colour, jump, sharp)
        nearness = sharp
        if moved == 0:
            break
    wide = np.empty_like(nearness)
    widen(nearness, jump, wide)
    return wide


_Layer = tuple[Floats, Bytes, Bytes, Bytes]


def _peeled(
    nearness: Floats, colour: Bytes, made: Bytes, jump: np.float32, reach: int
) -> list[_Layer]:
    """Nearness, colours, what was made up and squares of each layer."""
    from models.video.layers.peel import square_up  # noqa: PLC0415  # compiles

    there = np.ones(nearness.shape, np.bool_)
    layers: list[_Layer] = []
    while True:
        squares = np.empty((nearness.shape[0] - 1, nearness.shape[1] - 1), np.uint8)
        square_up(nearness, there, jump, squares)
        layers.append((nearness, colour, made, squares))
        behind = None
        if len(layers) < MAX_LAYERS:
            behind = _behind(nearness, colour, there, jump, reach)
        if behind is None:
            return layers
        nearness, colour, there = behind
        made = np.ones_like(made)


def _behind(
    nearness: Floats, colour: Bytes, there: Flags, jump: np.float32, reach: int
) -> tuple[Floats, Bytes, Flags] | None:
    """The next layer and where it is; nothing where no edge is left."""
    from models.video.layers.peel import settle, uncover  # noqa: PLC0415  # compiles

    origin = np.zeros(nearness.shape, np.int32)
    hidden = np.zeros(nearness.shape, np.uint8)
    places = uncover(nearness, there, jump, reach, origin, hidden)
    if len(places) <= FEW * nearness.size:
        return None
    values = np.concatenate([nearness[..., None], colour], -1, dtype=np.float32)
    flat = values.reshape(-1, 4)
    flat[places] = flat[origin.ravel()[places]]
    settle(nearness, colour, places, hidden, jump, SWEEPS, values)
    covered = hidden > 0
    deep = np.maximum(np.minimum(values[..., 0], nearness - jump / 2), 0)
    tones = np.clip(values[..., 1:] + 0.5, 0, 255).astype(np.uint8)
    return (np.where(covered, deep, np.float32(NOTHING)), tones, covered)
