"""A picture and its depth taken apart into surfaces one behind another."""

from collections.abc import Callable
from typing import Final

import numpy as np

from models.video.layers.arrays import NOTHING, Stack
from models.video.nerf.arrays import Bytes, Floats

MAX_LAYERS: Final = 4
MARGIN: Final = 0.08
"""Shares of the picture that are made up beyond each of its sides."""
REACH: Final = 0.08
"""How far surfaces go on behind others, in longer sides of the picture."""
JUMP: Final = 0.03
"""Neighbours farther apart than that share of all nearness are not of one surface."""
FLAT: Final = 1e-3
"""Least jump, as a share of the nearness itself: depth maps have noise."""
SHARPENINGS: Final = 8
ROUNDS, SWEEPS = 4, 5
"""How often what is hidden is smoothed, and looked at between."""
FEW: Final = 1e-4
"""Share of the points that a further layer is worth."""
SAMPLED_PX: Final = 256
"""Shorter side of what quantiles are taken of."""


def stack_of(
    colour: Bytes,
    nearness: Floats,
    tangents: tuple[float, float],
    check: Callable[[], None] = lambda: None,
) -> Stack:
    """The surfaces of a picture.

    Args:
        colour: `(H, W, 3)` sRGB.
        nearness: `(H, W)` 1 / distance along the camera's axis, >= 0.
        tangents: Half the width and half the height of the picture at distance 1.
        check: Called several times a second; may raise to stop.
    """
    jump = np.float32(jump_of(nearness))
    height, width = nearness.shape
    near = _clean(np.ascontiguousarray(nearness, np.float32), colour, jump, check)
    across, down = round(MARGIN * width), round(MARGIN * height)
    sides = ((down, down), (across, across))
    shape = (MAX_LAYERS, height + 2 * down, width + 2 * across)
    # Memory is taken as it is written, so layers that are not needed take none.
    stack = Stack(
        nearness=np.empty(shape, np.float32),
        colour=np.empty((*shape, 3), np.uint8),
        made=np.empty(shape, np.uint8),
        squares=np.empty((MAX_LAYERS, shape[1] - 1, shape[2] - 1), np.uint8),
        focal_px=np.array([width / 2 / tangents[0], height / 2 / tangents[1]]),
        centre_px=np.array([width / 2 + across, height / 2 + down]),
        jump=jump,
        beyond=colour[nearness <= quantile(nearness, 0.1)].mean(0).astype(np.float32),
    )
    stack.nearness[0] = np.pad(near, sides, "edge")
    # A mirror goes on as the picture does: grass with grass, a wall with a wall.
    stack.colour[0] = np.pad(colour, (*sides, (0, 0)), "symmetric")
    stack.made[0] = np.pad(np.zeros(nearness.shape, np.uint8), sides, constant_values=1)
    layers = _peel(stack, round(REACH * max(height, width)), check)
    return stack._replace(
        nearness=stack.nearness[:layers],
        colour=stack.colour[:layers],
        made=stack.made[:layers],
        squares=stack.squares[:layers],
    )


def quantile(values: Floats, share: float) -> float:
    """A quantile of an evenly spread part of a picture's values."""
    step = max(1, min(values.shape) // SAMPLED_PX)
    return float(np.quantile(values[::step, ::step], share))


def jump_of(nearness: Floats) -> float:
    """Difference in nearness between neighbours that are not of one surface."""
    low, high = quantile(nearness, 0.01), quantile(nearness, 0.99)
    return JUMP * (high - low) + FLAT * high


def _clean(nearness: Floats, colour: Bytes, jump: np.float32, check: Callable[[], None]) -> Floats:
    """The depth with sharp edges that lie just outside of what they are the edges of."""
    from models.video.layers.peel import sharpen, widen  # noqa: PLC0415  # compiles

    for _ in range(SHARPENINGS):
        check()
        sharp = np.empty_like(nearness)
        moved = sharpen(nearness, colour, jump, sharp)
        nearness = sharp
        if moved == 0:
            break
    wide = np.empty_like(nearness)
    widen(nearness, jump, wide)
    return wide


def _peel(stack: Stack, reach: int, check: Callable[[], None]) -> int:
    """Fill in the layers behind the first; how many there are."""
    from models.video.layers.peel import square_up  # noqa: PLC0415  # compiles

    for layer in range(MAX_LAYERS):
        check()
        square_up(stack.nearness[layer], stack.jump, stack.squares[layer])
        if layer + 1 == MAX_LAYERS or not _uncovered(stack, layer, reach, check):
            return layer + 1
    raise AssertionError


def _uncovered(stack: Stack, layer: int, reach: int, check: Callable[[], None]) -> bool:
    """Fill in what lies behind the edges of a layer; false where no edge is left."""
    from models.video.layers.peel import settle, uncover  # noqa: PLC0415  # compiles

    near, colour = stack.nearness[layer], stack.colour[layer]
    origin = np.full(near.shape, -1, np.int32)
    uncover(near, stack.jump, reach, origin)
    places = np.flatnonzero(origin >= 0).astype(np.int32)
    if len(places) <= FEW * near.size:
        return False
    sources = origin.ravel()[places]
    values = np.concatenate(
        [near.ravel()[sources, None], colour.reshape(-1, 3)[sources]], -1, dtype=np.float32
    )
    number = origin
    number.ravel()[places] = np.arange(len(places), dtype=np.int32)
    for _ in range(ROUNDS):
        check()
        settle(near, colour, places, number, stack.jump, SWEEPS, values)
    behind = np.minimum(values[:, 0], near.ravel()[places] - stack.jump / 2)
    stack.nearness[layer + 1] = NOTHING
    stack.nearness[layer + 1].ravel()[places] = np.maximum(behind, 0)
    stack.colour[layer + 1].reshape(-1, 3)[places] = np.clip(values[:, 1:] + 0.5, 0, 255)
    stack.made[layer + 1].ravel()[places] = 1
    return True
