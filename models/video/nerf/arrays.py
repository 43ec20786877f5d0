"""What the kernels read and write, as plain arrays."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FEATURES = 8
"""Channels of a voxel beside its density; a constant, so that loops over it become vectors."""
HIDDEN = 32
ANGLES = 15
"""Spherical harmonics of degrees 1 to 3."""
INPUTS = FEATURES + ANGLES
DENSITY_SHIFT = -4.5
"""Density of a fresh voxel before the softplus: almost empty space."""
SPARSEST, DENSEST = -3.0, 17.0
"""Densities stay within these, so that baked ones fit into bytes."""
FULL = 65535
"""Views are kept in 16 bits a channel: dark tones of log-encoded light need more than 8."""

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


class Grid(NamedTuple):
    """A box of voxels whose values lie at the corners of its cells.

    Attributes:
        density: `(N,)` before the softplus; N voxels, the last axis fastest.
        feature: `(N, FEATURES)` before the squashing.
        leap: `(g0 - 1, g1 - 1, g2 - 1)` chessboard distance of every cell to the nearest one that
            is not empty, in cells; 0 where something is.
        shape: `(3,)` voxels per axis, g0, g1, g2.
        low: `(3,)` corner of the box, metres.
        per_metre: `(3,)` cells per metre.
        step_m: Between samples of a ray.
        absorption: Optical depth per metre of density 1.
    """

    density: Floats
    feature: Floats
    leap: Bytes
    shape: NDArray[np.int64]
    low: Floats
    per_metre: Floats
    step_m: np.floating
    absorption: np.floating


class Network(NamedTuple):
    """The small network that sees a whole ray: `w` are `(in, out)`, `b` are `(out,)`."""

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats
    w3: Floats
    b3: Floats


class Pinholes(NamedTuple):
    """Views as the kernels need them.

    Attributes:
        pixels: `(n, h, w, 4)` uint16 RGBA, colour not multiplied by alpha.
        pose: `(n, 3, 4)` camera to world.
        focal_px: `(n, 2)` horizontal, vertical.
        centre_px: `(n, 2)` principal point.
    """

    pixels: NDArray[np.uint16]
    pose: Floats
    focal_px: Floats
    centre_px: Floats


class Gradients(NamedTuple):
    """What one shard of a batch adds up.

    Attributes:
        density: `(N,)`.
        feature: `(N, FEATURES)`.
        seen: `(N,)` 0 where no sample fell, else 1 + 254 times the largest weight of a sample.
        network: Of the network.
        sky: Same shape as the sky.
        loss: `(3,)` sums of squared colour error, of squared opacity error, and of samples.
    """

    density: Floats
    feature: Floats
    seen: Bytes
    network: Network
    sky: Floats
    loss: NDArray[np.float64]


def fresh_network(seed: int) -> Network:
    """A network that answers 0, so that a field starts with diffuse colours only."""
    random = np.random.default_rng(seed)

    def layer(inputs: int, outputs: int) -> tuple[Floats, Floats]:
        bound = 1 / np.sqrt(inputs)
        weight = random.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
        return weight, random.uniform(-bound, bound, outputs).astype(np.float32)

    last = np.zeros((HIDDEN, 3), np.float32), np.zeros(3, np.float32)
    return Network(*layer(INPUTS, HIDDEN), *layer(HIDDEN, HIDDEN), *last)


Kernel = Any
"""A compiled function: numba gives it no static type."""
