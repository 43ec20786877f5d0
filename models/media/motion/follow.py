"""What moved between two pictures, and the pictures between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.core.crew import cores, crew
from models.media.motion.agree import compare, complete
from models.media.motion.between import carry, draw, settle
from models.media.motion.refine import refine
from models.media.motion.sampling import double, halve, luma
from models.media.motion.search import MARGIN, PATCH, STRIDE, find, spread

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

FINEST_SAMPLES: Final = 1 << 18
"""Motion is followed on planes of at most so many samples: finer ones cost more than they tell.

In a path-traced film of 1080p, planes of a quarter of its width gave pictures as good as whole ones
(44.7 against 44.5 dB), in an eighth of the time.
"""
COARSEST_PX: Final = 20
ANOTHER_SCENE: Final = 0.35
"""Share found again below which nothing goes on.

Path-traced scenes: at most 0.26 from one to another or to its mirror image; at least 0.46 within one,
under pans of a tenth of the picture, zooms by a fifth, fades to half the light and dissolves.
"""
LIGHT_LEFT, LIGHT_OFF = 0.6, 6.0
"""Light changes where so much of the difference, and so many grey levels, are left after motion."""
ROWS_A_PART: Final = 64
ROUNDS, SWEEPS = 1, 6
"""Of the refinement, at every size."""


@dataclass(frozen=True, eq=False)
class Followed:
    """What moved from one picture to the next.

    Attributes:
        there: `(h, w, 2)` from the earlier to the later, down and across, in samples.
        back: The other way.
        seen: `(2, h, w)` of bytes: what of the earlier is seen in the later, and the other way.
        off: `(2, h, w)` grey levels by which it looks different.
        scale: Pixels that a sample is wide.
        share: Of both pictures that is found in the other, and found back from there.
        even: Whether the light changes: what is taken from one picture alone would stand out, so
            that all goes over from one to the other evenly.
    """

    there: Floats
    back: Floats
    seen: NDArray[np.uint8]
    off: Floats
    scale: int
    share: float
    even: bool


def follow(earlier: Picture, later: Picture, check: Callable[[], None]) -> Followed:
    """Follow what is seen, both ways.

    Args:
        earlier: `(H, W, 3)`.
        later: The same.
        check: Is called several times a second; may raise.
    """
    levels, scale = _pyramids(earlier, later)
    ways, flows = (levels, [(two, one) for one, two in levels]), {}

    def search(way: int) -> None:
        flows[way] = _flow(ways[way], check)

    with crew(min(2, cores())) as work:
        work(search, 2)
    there, back = flows[0], flows[1]
    one, two = levels[0]
    seen, off = np.empty((2, *one.shape), np.uint8), np.empty((2, *one.shape), np.float32)
    compare(one, two, there, back, seen[0], off[0])
    compare(two, one, back, there, seen[1], off[1])
    share = float(seen.mean())
    complete(one, seen[0], there)
    complete(two, seen[1], back)
    check()
    after, before = float(off[0].mean()), float(np.abs(one - two).mean())
    even = after > LIGHT_OFF and after > LIGHT_LEFT * before
    if even:
        seen[:] = 1
    return Followed(there, back, seen, off, scale, share, even)


def is_cut(moved: Followed) -> bool:
    """Whether the later picture shows too little of the earlier one: another scene, or a flash."""
    return moved.share < ANOTHER_SCENE


def between(earlier: Picture, later: Picture, moved: Followed, share: float) -> Picture:
    """The picture at a moment; `share` of the time between the two has passed."""
    shape, part = moved.seen.shape[1:], np.float32(share)
    before, after = np.zeros((*shape, 5), np.float32), np.zeros((*shape, 5), np.float32)
    carry(moved.there, moved.seen[0], moved.off[0], part, False, before)
    carry(moved.back, moved.seen[1], moved.off[1], np.float32(1) - part, True, after)
    motion, blend = np.zeros((*shape, 2), np.float32), np.empty(shape, np.float32)
    settle(before, after, part, motion, blend)
    out = np.empty_like(earlier)

    def rows(number: int) -> None:
        start = number * ROWS_A_PART
        stop = min(start + ROWS_A_PART, len(out))
        draw(earlier, later, motion, blend, moved.even, moved.scale, part, start, stop, out)

    with crew(cores()) as work:
        work(rows, -(-len(out) // ROWS_A_PART))
    return out


def _pyramids(earlier: Picture, later: Picture) -> tuple[list[tuple[Floats, Floats]], int]:
    """Luma of both, from fine to coarse, and the pixels that a sample of the finest is wide."""
    pair, scale = (_luma(earlier), _luma(later)), 1
    while pair[0].size > FINEST_SAMPLES and min(pair[0].shape) >= 2 * COARSEST_PX:
        pair, scale = (_halved(pair[0]), _halved(pair[1])), 2 * scale
    levels = [pair]
    while min(pair[0].shape) >= 2 * COARSEST_PX:
        pair = _halved(pair[0]), _halved(pair[1])
        levels.append(pair)
    return levels, scale


def _flow(levels: list[tuple[Floats, Floats]], check: Callable[[], None]) -> Floats:
    flow = np.zeros((*levels[-1][0].shape, 2), np.float32)
    for one, two in reversed(levels):
        check()
        if flow.shape[:2] != one.shape:
            start = np.empty((*one.shape, 2), np.float32)
            double(flow, start)
            flow = start
        rows, columns = one.shape
        count = -(-(rows - PATCH) // STRIDE) + 1, -(-(columns - PATCH) // STRIDE) + 1
        found, left_over = np.empty((*count, 2), np.float32), np.empty(count, np.float32)
        find(_framed(one), _framed(two), flow, found, left_over)
        flow = np.empty((*one.shape, 2), np.float32)
        spread(one, two, found, flow)
        check()
        refine(one, two, flow, ROUNDS, SWEEPS)
    return flow


def _luma(picture: Picture) -> Floats:
    plane: Floats = np.empty(picture.shape[:2], np.float32)
    luma(np.ascontiguousarray(picture), plane)
    # Patches need room, also in pictures that are mere strips.
    below, right = max(0, PATCH - len(plane)), max(0, PATCH - plane.shape[1])
    return np.pad(plane, ((0, below), (0, right)), "edge")


def _halved(plane: Floats) -> Floats:
    half = np.empty((-(-plane.shape[0] // 2), -(-plane.shape[1] // 2)), np.float32)
    halve(plane, half)
    return half


def _framed(plane: Floats) -> Floats:
    return np.pad(plane, MARGIN, "edge")
