"""Compiled: pictures of a baked field, tile by tile."""

import math
from typing import NamedTuple

import numpy as np

from models.video.nerf.arrays import FEATURES, HIDDEN, INPUTS, Floats
from models.video.nerf.kernels import kernel, piece
from models.video.nerf.lanes import CLEAR, LANES, colour, put
from models.video.nerf.optics import HALF, ONE, ZERO, f32, sky_texel, span

TILE_ROWS, TILE_COLUMNS = 16, 16
FAINT = f32(2e-3)
"""Samples of less weight have no colour."""
OPAQUE = f32(5e-3)
"""A ray ends when less light than this would pass."""
BYTE = f32(1 / 255)
SMALLEST = 4
"""Blocks of so many pixels per side are not halved where they do not fit: pixels are hardly dearer."""
FINE = f32(16)
"""Entries of the table of opacities per step of density."""
CHANNELS = FEATURES + 2


class Ray(NamedTuple):
    """One ray: in the world, and `start + t * slope` in cells; `share` is room for `read`."""

    origin: Floats
    way: Floats
    start: Floats
    slope: Floats
    share: Floats


@kernel
def draw_tiles(baked, lens, pose, block, first, stop, rgb, alpha, depth):
    """Draw the rows of tiles `first` to `stop` of a strip.

    What rays gather is interpolated within blocks of pixels whose corners agree; the network sees
    every pixel.

    Args:
        baked: The field.
        lens: `across (W, 2)` and `down (rows, 3)`: the direction through a pixel in the camera's
            axes is `(across[0] * down[0], down[1], across[1] * down[2])`; a tile longer than the
            picture on either side.
        pose: `(3, 4)` camera to world.
        block: Pixels per side of a block: 1, 2, 4 or 8; four blocks fit into a tile.
        first: Tile rows, from the top of the strip.
        stop: See `first`.
        rgb: `(rows, W, 3)`; out, as are `alpha` and `depth`, `(rows, W)`.
        alpha: See `rgb`.
        depth: See `rgb`.
    """
    rows, width = alpha.shape
    e = np.empty((INPUTS, LANES), np.float32)
    h1, h2 = np.empty((HIDDEN, LANES), np.float32), np.empty((HIDDEN, LANES), np.float32)
    out = np.empty((3, LANES), np.float32)
    light, behind = np.empty(LANES, np.float32), np.empty((3, LANES), np.float32)
    where = np.empty(LANES, np.int64)
    ray = Ray(
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(8, np.float32),
    )
    tile = np.empty((TILE_ROWS, TILE_COLUMNS, CHANNELS), np.float32)
    corners = np.empty((TILE_ROWS + 1, TILE_COLUMNS + 1, CHANNELS), np.float32)
    at, sky_share = np.empty(4, np.int64), np.empty(4, np.float32)
    plain = baked.sky.shape[0] == 1
    for a in range(3):
        ray.origin[a] = pose[a, 3]
    for tile_row in range(first, stop):
        top = tile_row * TILE_ROWS
        bottom = min(top + TILE_ROWS, rows)
        joined, lanes = False, 0
        for left in range(0, width, TILE_COLUMNS):
            right = min(left + TILE_COLUMNS, width)
            from_m = approach(baked, lens, pose, ray, top, left)
            if from_m < ZERO and plain:
                joined = False
                for row in range(top, bottom):
                    for column in range(left, right):
                        for a in range(3):
                            rgb[row, column, a] = baked.sky[0, 0, a]
                        alpha[row, column] = ZERO
                        depth[row, column] = ZERO
                continue
            if from_m < ZERO:
                nothing(tile)
            else:
                if joined:  # what the tile to the left knows of the common edge
                    for row in range(TILE_ROWS + 1):
                        for n in range(CHANNELS):
                            corners[row, 0, n] = corners[row, TILE_COLUMNS, n]
                fill_tile(baked, lens, pose, ray, from_m, block, top, left, joined, corners, tile)
            joined = block > 1 and from_m >= ZERO
            for row in range(top, bottom):
                for column in range(left, right):
                    pixel = tile[row - top, column - left]
                    through = pixel[FEATURES]
                    alpha[row, column] = ONE - through
                    depth[row, column] = pixel[FEATURES + 1]
                    seen = through < CLEAR
                    if seen or not plain:
                        direct(lens, pose, row, column, ray.way)
                    if plain:
                        for a in range(3):
                            rgb[row, column, a] = baked.sky[0, 0, a]
                    else:
                        beyond(baked.sky, ray.way, at, sky_share, rgb[row, column])
                    if seen:
                        where[lanes] = row * width + column
                        light[lanes] = through
                        for c in range(FEATURES):
                            e[c, lanes] = pixel[c]
                        for a in range(3):
                            e[FEATURES + a, lanes] = ray.way[a]
                            behind[a, lanes] = rgb[row, column, a]
                        lanes += 1
                        if lanes == LANES:
                            colour(baked.network, lanes, e, h1, h2, out, light, behind)
                            put(out, where, lanes, rgb)
                            lanes = 0
        if lanes > 0:
            colour(baked.network, lanes, e, h1, h2, out, light, behind)
            put(out, where, lanes, rgb)


@piece
def beyond(sky, way, at, share, out):
    """Colour `out (3,)` of the sky in a direction."""
    sky_texel(sky, way[0], way[1], way[2], at, share)
    for a in range(3):
        out[a] = ZERO
    for p in range(4):
        row, column = at[p] // sky.shape[1], at[p] % sky.shape[1]
        for a in range(3):
            out[a] += share[p] * sky[row, column, a]


@piece
def nothing(tile):
    """What rays gather that meet nothing."""
    tile[:, :, :FEATURES] = ZERO
    tile[:, :, FEATURES] = ONE
    tile[:, :, FEATURES + 1] = ZERO


@piece
def fill_tile(baked, lens, pose, ray, from_m, block, top, left, joins, corners, tile):
    """What the rays of a tile gather: features, light left and depth.

    Where large blocks cannot be interpolated, blocks of half their size are tried, then every pixel.
    """
    if block == 1:
        each(baked, lens, pose, ray, from_m, top, left, 0, 0, TILE_ROWS, TILE_COLUMNS, tile)
        return
    for row in range(0, TILE_ROWS + 1, block):
        for column in range(block if joins else 0, TILE_COLUMNS + 1, block):
            direct(lens, pose, top + row, left + column, ray.way)
            gather(baked, ray, from_m, corners[row, column])
    half = block // 2 if block > SMALLEST else block
    for row in range(0, TILE_ROWS, 2 * block):
        for column in range(0, TILE_COLUMNS, 2 * block):
            if agree(corners, row, column, block, baked.agreement):
                spread(corners, row, column, block, tile)
                continue
            if half < block:
                between(baked, lens, pose, ray, from_m, top, left, row, column, block, corners)
            for i in range(row, row + 2 * block, 2 * half):
                for j in range(column, column + 2 * block, 2 * half):
                    if half < block and agree(corners, i, j, half, baked.agreement):
                        spread(corners, i, j, half, tile)
                    else:
                        side = 2 * half
                        each(baked, lens, pose, ray, from_m, top, left, i, j, side, side, tile)


@piece
def each(baked, lens, pose, ray, from_m, top, left, row, column, rows, columns, tile):
    """What every ray of a part of a tile gathers."""
    for i in range(row, row + rows):
        for j in range(column, column + columns):
            direct(lens, pose, top + i, left + j, ray.way)
            gather(baked, ray, from_m, tile[i, j])


@piece
def between(baked, lens, pose, ray, from_m, top, left, row, column, block, corners):
    """What the rays midway between the corners of four blocks gather."""
    half = block // 2
    for i in range(0, 2 * block + 1, half):
        for j in range(0, 2 * block + 1, half):
            if i % block > 0 or j % block > 0:
                direct(lens, pose, top + row + i, left + column + j, ray.way)
                gather(baked, ray, from_m, corners[row + i, column + j])


@piece
def spread(corners, row, column, block, tile):
    """Interpolate four blocks between their corners."""
    part = ONE / f32(block)
    for y in range(row, row + 2 * block):
        for x in range(column, column + 2 * block):
            above, before = y // block * block, x // block * block
            v, u = f32(y - above) * part, f32(x - before) * part
            a, b = (ONE - v) * (ONE - u), (ONE - v) * u
            c, d = v * (ONE - u), v * u
            for n in range(CHANNELS):
                tile[y, x, n] = (
                    a * corners[above, before, n]
                    + b * corners[above, before + block, n]
                    + c * corners[above + block, before, n]
                    + d * corners[above + block, before + block, n]
                )


@piece
def agree(corners, row, column, block, limits):
    """Whether four blocks can be interpolated, going by how well their common corners can.

    What lies between the outermost corners is foretold from these. Blocks are half as long, so
    they will be wrong by about a quarter of that.
    """
    end, last = row + 2 * block, column + 2 * block
    i, j = row + block, column + block
    for n in range(CHANNELS):
        a, b = corners[row, column, n], corners[row, last, n]
        c, d = corners[end, column, n], corners[end, last, n]
        wrong = max(
            max(abs(HALF * (a + b) - corners[row, j, n]), abs(HALF * (c + d) - corners[end, j, n])),
            max(
                abs(HALF * (a + c) - corners[i, column, n]),
                abs(HALF * (b + d) - corners[i, last, n]),
            ),
        )
        wrong = max(wrong, abs(f32(0.25) * (a + b + c + d) - corners[i, j, n]))
        if wrong > limits[n]:
            return False
    return True


@piece
def direct(lens, pose, row, column, way):
    """Unit direction through a pixel, in the world."""
    across, down = lens
    x, y = across[column, 0] * down[row, 0], down[row, 1]
    z = across[column, 1] * down[row, 2]
    norm = ONE / math.sqrt(x * x + y * y + z * z)
    for a in range(3):
        way[a] = (pose[a, 0] * x + pose[a, 1] * y + pose[a, 2] * z) * norm


@piece
def approach(baked, lens, pose, ray, top, left):
    """How far all rays of a tile run through empty space, metres; -1 if they meet nothing.

    A cone around the tile's middle ray is pushed forward while the empty space around its axis is
    wider than the cone (beam optimisation, Laine & Karras 2010, "Efficient Sparse Voxel Octrees").
    """
    way, start, slope, origin = ray.way, ray.start, ray.slope, ray.origin
    grid = baked.grid
    spread = ZERO
    direct(lens, pose, top + TILE_ROWS // 2, left + TILE_COLUMNS // 2, way)
    middle0, middle1, middle2 = way[0], way[1], way[2]
    for corner in range(4):
        row = top if corner & 1 else top + TILE_ROWS
        column = left if corner & 2 else left + TILE_COLUMNS
        direct(lens, pose, row, column, way)
        x, y, z = way[0] - middle0, way[1] - middle1, way[2] - middle2
        spread = max(spread, f32(math.sqrt(x * x + y * y + z * z)))
    spread *= f32(1.05)
    way[0], way[1], way[2] = middle0, middle1, middle2
    far2 = ZERO
    for a in range(3):
        side = f32(grid.shape[a] - 1) / grid.per_metre[a]
        low, high = origin[a] - grid.low[a], grid.low[a] + side - origin[a]
        far2 += max(abs(low), abs(high)) ** 2
    margin = f32(math.sqrt(far2)) * spread
    enter, leave, fastest, widening = baked.near_m, f32(1e9), ZERO, ZERO
    for a in range(3):
        d = way[a]
        if abs(d) < f32(1e-7):
            d = f32(1e-7)
        slope[a] = d * grid.per_metre[a]
        start[a] = (origin[a] - grid.low[a]) * grid.per_metre[a]
        wide = margin * grid.per_metre[a]
        one, two = (
            (-wide - start[a]) / slope[a],
            (f32(grid.shape[a] - 1) + wide - start[a]) / slope[a],
        )
        enter, leave = max(enter, min(one, two)), min(leave, max(one, two))
        fastest = max(fastest, abs(slope[a]))
        widening = max(widening, spread * grid.per_metre[a])
    t = enter
    while t < leave:
        i = min(max(int(start[0] + t * slope[0]), 0), grid.shape[0] - 2)
        j = min(max(int(start[1] + t * slope[1]), 0), grid.shape[1] - 2)
        k = min(max(int(start[2] + t * slope[2]), 0), grid.shape[2] - 2)
        room = f32(baked.leap[i, j, k]) - ONE - t * widening
        advance = room / (fastest + widening)
        if advance < HALF * grid.step_m:
            return t
        t += advance
    return f32(-1)


@piece
def gather(baked, ray, from_m, result):
    """Features, light left and depth of one ray that starts `from_m` from the eye."""
    grid = baked.grid
    g0, g1, g2 = grid.shape[0], grid.shape[1], grid.shape[2]
    enter, leave = span(grid, ray.origin, ray.way, ray.start, ray.slope, baked.near_m)
    s0, s1, s2 = ray.start[0], ray.start[1], ray.start[2]
    d0, d1, d2 = ray.slope[0], ray.slope[1], ray.slope[2]
    step_m = grid.step_m
    inverse = ONE / (max(abs(d0), abs(d1), abs(d2)) * step_m)
    for c in range(FEATURES):
        result[c] = ZERO
    light, distance = ONE, ZERO
    skipped = max(ZERO, f32(math.floor((from_m - enter) / step_m - HALF)))
    t = enter + step_m * (HALF + skipped)
    last = f32(len(baked.opacity) - 1)
    while t < leave:
        x, y, z = s0 + t * d0, s1 + t * d1, s2 + t * d2
        i = min(max(int(x), 0), g0 - 2)
        j = min(max(int(y), 0), g1 - 2)
        k = min(max(int(z), 0), g2 - 2)
        far = baked.leap[i, j, k]
        if far > 0:
            t += step_m * max(ONE, f32(math.floor(f32(far - 1) * inverse)))
            continue
        cell = baked.cell[i, j, k]
        u, v, w = x - f32(i), y - f32(j), z - f32(k)
        box = baked.density[cell]
        low = (ONE - u) * ((ONE - v) * mixed(box[0], box[1], w) + v * mixed(box[2], box[3], w))
        raw = low + u * ((ONE - v) * mixed(box[4], box[5], w) + v * mixed(box[6], box[7], w))
        a = baked.opacity[int(min(raw * FINE, last) + HALF)]
        weight = light * a
        if weight > FAINT:
            read(baked.feature[cell], u, v, w, weight, ray.share, result)
            distance += weight * t
        t += step_m
        light *= ONE - a
        if light < OPAQUE:
            break
    if light < OPAQUE:  # what would have come after is as what came before
        whole = ONE / (ONE - light)
        for c in range(FEATURES):
            result[c] *= whole
        distance *= whole
        light = ZERO
    result[FEATURES] = light
    result[FEATURES + 1] = distance / max(ONE - light, f32(1e-3))


@piece
def mixed(a, b, w):
    """Linear interpolation of two bytes."""
    p = f32(a)
    return p + w * (f32(b) - p)


@piece
def read(corners, u, v, w, weight, share, result):
    """Add the features `corners (8, FEATURES)` of a cell at a point of it."""
    near, far = weight * BYTE * (ONE - u), weight * BYTE * u
    share[0] = near * (ONE - v) * (ONE - w)
    share[1] = near * (ONE - v) * w
    share[2] = near * v * (ONE - w)
    share[3] = near * v * w
    share[4] = far * (ONE - v) * (ONE - w)
    share[5] = far * (ONE - v) * w
    share[6] = far * v * (ONE - w)
    share[7] = far * v * w
    for p in range(8):
        q = share[p]
        for c in range(FEATURES):
            result[c] += q * f32(corners[p, c])
