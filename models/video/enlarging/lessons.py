"""Pairs of small and large patches, cut from pictures that were made small in several ways."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.core.seeds import numpy_generator
from models.image.render.renderer import Renderer
from models.video.enlarging.patterns import PAINTERS, Floats
from models.video.enlarging.scenes import staged, traced
from models.video.enlarging.shrinking import in_bytes, shrunken

WAYS = 3
"""Small pictures of each large one."""


@dataclass(frozen=True)
class Pair:
    """A plane and its likeness at half the size, luma in 0-1."""

    large: Floats
    small: Floats


def drawn(count: int, side_px: int, seed: int) -> list[Pair]:
    """Patterns of every kind in turn."""
    pairs = []
    for number in range(count):
        kind = list(PAINTERS)[number % len(PAINTERS)]
        rng = numpy_generator(seed, kind, number)
        large = PAINTERS[kind](rng, side_px)
        pairs += [Pair(large, shrunken(large, rng)) for _ in range(WAYS)]
    return pairs


def filmed(count: int, side_px: int, seed: int) -> list[Pair]:
    """Traced scenes, made small and also traced small."""
    renderer, pairs = Renderer(), []
    for number, (scene, style) in enumerate(staged(count, seed)):
        rng = numpy_generator(seed, "scene", number)
        large, small = traced(renderer, scene, style, side_px, number)
        pairs += [Pair(large, shrunken(large, rng)) for _ in range(WAYS)]
        pairs.append(Pair(large, in_bytes(small)))
    return pairs


class Lessons:
    """Draws batches of patches, turned and mirrored; half of them are of scenes.

    Args:
        scenes: Pairs of traced pictures.
        drawings: Pairs of patterns.
        margin: Samples around a small patch that its large one does not show.
        patch_px: Side of the small patch without its margin.
    """

    def __init__(
        self, scenes: list[Pair], drawings: list[Pair], margin: int, patch_px: int = 32
    ) -> None:
        self._shelves = [pairs for pairs in (scenes, drawings) if pairs]
        self._margin, self._patch = margin, patch_px

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Small `(B, 1, p + 2 M, p + 2 M)` and large patches `(B, 1, 2 p, 2 p)`."""
        small: list[Floats] = []
        large: list[Floats] = []
        for number in range(size):
            shelf = self._shelves[number % len(self._shelves)]
            pair = shelf[int(rng.integers(len(shelf)))]
            # Skies teach little: of two places the busier one is taken.
            patches = max((self._cut(pair, rng) for _ in range(2)), key=lambda cut: cut[1].std())
            turn, mirrored = int(rng.integers(4)), rng.random() < 0.5
            for plane, kept in zip(patches, (small, large), strict=True):
                turned = np.rot90(plane, turn)
                kept.append(turned[:, ::-1] if mirrored else turned)
        return _stacked(small), _stacked(large)

    def _cut(self, pair: Pair, rng: np.random.Generator) -> tuple[Floats, Floats]:
        wide, patch = self._patch + 2 * self._margin, self._patch
        top, left = (int(rng.integers(0, side - wide + 1)) for side in pair.small.shape)
        y, x = 2 * (top + self._margin), 2 * (left + self._margin)
        near = pair.small[top : top + wide, left : left + wide]
        return near, pair.large[y : y + 2 * patch, x : x + 2 * patch]


def _stacked(planes: list[Floats]) -> Tensor:
    return torch.from_numpy(np.stack(planes)[:, None].astype(np.float32))
