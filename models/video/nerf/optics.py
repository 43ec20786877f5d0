"""Compiled pieces that fitting, plain rendering and fast rendering share."""

import math

import numpy as np

from models.video.nerf.arrays import DENSITY_SHIFT, FEATURES, HIDDEN, INPUTS
from models.video.nerf.kernels import piece

f32 = np.float32
SHIFT = f32(DENSITY_SHIFT)
ZERO, HALF, ONE, TWO, FOUR = f32(0), f32(0.5), f32(1), f32(2), f32(4)
TINY = f32(1e-12)


@piece
def softplus(x):
    """`log(1 + e^x)` without overflow."""
    return x if x > f32(15) else f32(math.log1p(math.exp(x)))


@piece
def squashed(x):
    """0 to 1 with the logistic's slope 1/4 at 0, without an exponential."""
    return HALF + HALF * x / math.sqrt(FOUR + x * x)


@piece
def harmonics(x, y, z, out, start):
    """Real spherical harmonics of degrees 1 to 3 without their constants, into `out[start:]`."""
    xx, yy, zz = x * x, y * y, z * z
    out[start], out[start + 1], out[start + 2] = x, y, z
    out[start + 3], out[start + 4], out[start + 5] = TWO * x * y, TWO * y * z, TWO * x * z
    out[start + 6], out[start + 7] = f32(1.5) * zz - HALF, xx - yy
    out[start + 8] = y * (f32(3) * xx - yy)
    out[start + 9] = f32(4) * x * y * z
    out[start + 10] = y * (f32(5) * zz - ONE)
    out[start + 11] = z * (f32(2.5) * zz - f32(1.5))
    out[start + 12] = x * (f32(5) * zz - ONE)
    out[start + 13] = TWO * z * (xx - yy)
    out[start + 14] = x * (xx - f32(3) * yy)


@piece
def forward(net, e, h1, h2, out):
    """Hidden layers and the answer before its tanh for the inputs `e`."""
    for p in range(HIDDEN):
        h1[p] = net.b1[p]
    for c in range(INPUTS):
        for p in range(HIDDEN):
            h1[p] += e[c] * net.w1[c, p]
    for p in range(HIDDEN):
        h1[p] = max(h1[p], ZERO)
        h2[p] = net.b2[p]
    for c in range(HIDDEN):
        for p in range(HIDDEN):
            h2[p] += h1[c] * net.w2[c, p]
    for p in range(HIDDEN):
        h2[p] = max(h2[p], ZERO)
    for a in range(3):
        s = net.b3[a]
        for p in range(HIDDEN):
            s += h2[p] * net.w3[p, a]
        out[a] = s


@piece
def backward(net, grad, e, h1, h2, g_out, g1, g2, g_e):
    """Add the gradients of the weights to `grad`; those of the features go to `g_e`."""
    for p in range(HIDDEN):
        s = ZERO
        for a in range(3):
            s += g_out[a] * net.w3[p, a]
            grad.w3[p, a] += h2[p] * g_out[a]
        g2[p] = s if h2[p] > ZERO else ZERO
        grad.b2[p] += g2[p]
    for a in range(3):
        grad.b3[a] += g_out[a]
    for c in range(HIDDEN):
        s = ZERO
        for p in range(HIDDEN):
            s += g2[p] * net.w2[c, p]
            grad.w2[c, p] += h1[c] * g2[p]
        g1[c] = s if h1[c] > ZERO else ZERO
        grad.b1[c] += g1[c]
    for c in range(INPUTS):
        s = ZERO
        for p in range(HIDDEN):
            s += g1[p] * net.w1[c, p]
            grad.w1[c, p] += e[c] * g1[p]
        if c < FEATURES:
            g_e[c] = s


@piece
def span(grid, origin, direction, start, slope, near_m):
    """A ray in cells: `start + t * slope`, and where it enters and leaves the box, metres."""
    enter, leave = f32(near_m), f32(1e9)
    for a in range(3):
        d = direction[a]
        if abs(d) < f32(1e-7):
            d = f32(1e-7)
        slope[a] = d * grid.per_metre[a]
        start[a] = (origin[a] - grid.low[a]) * grid.per_metre[a]
        first = -start[a] / slope[a]
        last = (f32(grid.shape[a] - 1) - start[a]) / slope[a]
        enter = max(enter, min(first, last))
        leave = min(leave, max(first, last))
    return enter, leave


@piece
def sky_texel(sky, x, y, z, at, share):
    """The four texels around a direction, `at (4,)` flat indices, and their shares `(4,)`.

    The sky is a map of longitude (columns, from +x towards +y) and of latitude (rows, +z first).
    """
    rows, columns = sky.shape[0], sky.shape[1]
    if rows == 1:
        at[:] = 0
        share[0] = ONE
        share[1:] = ZERO
        return
    u = f32(math.atan2(y, x) * (0.5 / math.pi)) * f32(columns) - HALF
    v = f32(math.acos(min(max(z, f32(-1)), ONE)) / math.pi) * f32(rows) - HALF
    i, j = int(math.floor(v)), int(math.floor(u))
    p, q = v - f32(i), u - f32(j)
    top, bottom = min(max(i, 0), rows - 1), min(max(i + 1, 0), rows - 1)
    left, right = j % columns, (j + 1) % columns
    at[0], at[1] = top * columns + left, top * columns + right
    at[2], at[3] = bottom * columns + left, bottom * columns + right
    share[0], share[1] = (ONE - p) * (ONE - q), (ONE - p) * q
    share[2], share[3] = p * (ONE - q), p * q


@piece
def mix(number):
    """A well-mixed 32-bit hash of a 64-bit counter (the finaliser of SplitMix64)."""
    z = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint32((z ^ (z >> np.uint64(31))) >> np.uint64(32))


@piece
def unit_random(number):
    """0 to 1, the same for the same counter."""
    return f32(mix(number)) * f32(2.3283064e-10)
