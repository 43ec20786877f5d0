"""Compiled: the network for many rays at once."""

from models.video.nerf.arrays import FEATURES, HIDDEN, INPUTS
from models.video.nerf.kernels import piece
from models.video.nerf.optics import HALF, ONE, TWO, ZERO, f32

LANES = 128
"""Rays at once: what their layers take fits into the nearest cache."""
CLEAR = f32(0.9995)
"""Rays that more light passes show the background alone."""
TANH_BOUND = f32(4.97)


@piece
def colour(net, lanes, e, h1, h2, out, light, behind):
    """Colours `out (3, lanes)` of a tile's rays from what they gathered: loops run over lanes."""
    f = FEATURES
    for n in range(lanes):
        x, y, z = e[f, n], e[f + 1, n], e[f + 2, n]
        xx, yy, zz = x * x, y * y, z * z
        e[f + 3, n], e[f + 4, n], e[f + 5, n] = TWO * x * y, TWO * y * z, TWO * x * z
        e[f + 6, n], e[f + 7, n] = f32(1.5) * zz - HALF, xx - yy
        e[f + 8, n] = y * (f32(3) * xx - yy)
        e[f + 9, n] = f32(4) * x * y * z
        e[f + 10, n] = y * (f32(5) * zz - ONE)
        e[f + 11, n] = z * (f32(2.5) * zz - f32(1.5))
        e[f + 12, n] = x * (f32(5) * zz - ONE)
        e[f + 13, n] = TWO * z * (xx - yy)
        e[f + 14, n] = x * (xx - f32(3) * yy)
    layer(net.w1, net.b1, INPUTS, HIDDEN, lanes, e, h1)
    layer(net.w2, net.b2, HIDDEN, HIDDEN, lanes, h1, h2)
    layer(net.w3, net.b3, HIDDEN, 3, lanes, h2, out)
    for a in range(3):
        for n in range(lanes):
            s = max(min(out[a, n], TANH_BOUND), -TANH_BOUND)
            q = s * s
            top = s * (f32(135135) + q * (f32(17325) + q * (f32(378) + q)))
            under = f32(135135) + q * (f32(62370) + q * (f32(3150) + q * f32(28)))
            s = e[a, n] + light[n] * behind[a, n] + top / under * (ONE - light[n])
            out[a, n] = max(min(s, ONE), ZERO)


@piece
def layer(weight, bias, inputs, outputs, lanes, x, y):
    """`y = weight.T x + bias`, rectified below where it is not the last; four inputs at a time."""
    whole = inputs // 4 * 4
    for p in range(outputs):
        b = bias[p]
        for n in range(lanes):
            y[p, n] = b
        for c in range(0, whole, 4):
            w0, w1, w2, w3 = weight[c, p], weight[c + 1, p], weight[c + 2, p], weight[c + 3, p]
            for n in range(lanes):
                y[p, n] += w0 * x[c, n] + w1 * x[c + 1, n] + w2 * x[c + 2, n] + w3 * x[c + 3, n]
        for c in range(whole, inputs):
            w0 = weight[c, p]
            for n in range(lanes):
                y[p, n] += w0 * x[c, n]
        if outputs > 3:
            for n in range(lanes):
                y[p, n] = max(y[p, n], ZERO)


@piece
def put(out, where, lanes, rgb):
    """Colours of some rays to their pixels."""
    width = rgb.shape[1]
    for lane in range(lanes):
        row, column = where[lane] // width, where[lane] % width
        for a in range(3):
            rgb[row, column, a] = out[a, lane]
