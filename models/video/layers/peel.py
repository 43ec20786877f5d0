"""Compiled: where surfaces end, and what may lie behind their edges."""

import numpy as np

from models.video.layers.arrays import TORN, WHOLE
from models.video.layers.kernels import kernel, piece

f32 = np.float32
SUPPORT = 3
"""Neighbours of about the same nearness that a point of a surface has; one of a blurred edge has two."""
SHEET = f32(2)
"""Neighbours within so many jumps are of one hidden surface."""
RELAXATION = f32(1.8)


@kernel
def sharpen(nearness, colour, jump, out):
    """Move points that belong to no surface to that neighbouring one which has their colour.

    Depth that was averaged over a pixel, or enlarged, has values between two surfaces at their
    edge, which would hang in the air.

    Returns:
        How many points were moved.
    """
    height, width = nearness.shape
    moved = 0
    for i in range(height):
        for j in range(width):
            here = nearness[i, j]
            out[i, j] = here
            alike = 0
            low, high = here, here
            for y in range(max(i - 1, 0), min(i + 2, height)):
                for x in range(max(j - 1, 0), min(j + 2, width)):
                    value = nearness[y, x]
                    low, high = min(low, value), max(high, value)
                    if abs(value - here) <= jump:
                        alike += 1
            # The point itself is alike, and at the border there are fewer neighbours.
            border = i == 0 or j == 0 or i == height - 1 or j == width - 1
            if high - low <= jump or alike > (SUPPORT - 1 if border else SUPPORT):
                continue
            best, least = here, f32(1e30)
            for y in range(max(i - 2, 0), min(i + 3, height)):
                for x in range(max(j - 2, 0), min(j + 3, width)):
                    if abs(nearness[y, x] - here) <= jump or not settled(nearness, y, x, jump):
                        continue
                    gap = f32(0.1) * f32((y - i) * (y - i) + (x - j) * (x - j))
                    for a in range(3):
                        step = f32(colour[y, x, a]) - f32(colour[i, j, a])
                        gap += step * step
                    if gap < least:
                        best, least = nearness[y, x], gap
            if best != here:
                out[i, j] = best
                moved += 1
    return moved


@piece
def settled(nearness, i, j, jump):
    """Whether a point is of a surface."""
    height, width = nearness.shape
    alike = 0
    for y in range(max(i - 1, 0), min(i + 2, height)):
        for x in range(max(j - 1, 0), min(j + 2, width)):
            if abs(nearness[y, x] - nearness[i, j]) <= jump:
                alike += 1
    return alike > SUPPORT


@kernel
def widen(nearness, jump, out):
    """Let every surface grow by a point over what is behind it.

    The outermost points of a surface in a picture show some of its colour.
    """
    height, width = nearness.shape
    for i in range(height):
        for j in range(width):
            here = nearness[i, j]
            most = here
            for y in range(max(i - 1, 0), min(i + 2, height)):
                for x in range(max(j - 1, 0), min(j + 2, width)):
                    most = max(most, nearness[y, x])
            out[i, j] = most if most > here + jump else here


@kernel
def square_up(nearness, jump, out):
    """Kinds of squares `out (H - 1, W - 1)` between points; negative ones are not there."""
    height, width = nearness.shape
    for i in range(height - 1):
        for j in range(width - 1):
            a, b = nearness[i, j], nearness[i, j + 1]
            c, d = nearness[i + 1, j], nearness[i + 1, j + 1]
            out[i, j] = 0
            low = min(min(a, b), min(c, d))
            if low >= f32(0):
                out[i, j] = TORN if max(max(a, b), max(c, d)) - low > jump else WHOLE


@kernel
def uncover(nearness, jump, reach, origin):
    """What lies within `reach` points behind the edges of a surface.

    From every edge its far side goes on behind the near one, breadth first.

    Args:
        nearness: `(H, W)`, negative where the surface is not.
        jump: As in `Stack`.
        reach: Points.
        origin: `(H, W)` in, -1; out: flat place of the point of the edge's far side that goes on
            here, behind what is seen.
    """
    height, width = nearness.shape
    queue = np.empty(height * width, np.int32)
    steps = np.zeros((height, width), np.uint16)
    count = 0
    for i in range(height):
        for j in range(width):
            if nearness[i, j] < f32(0):
                continue
            least, place = nearness[i, j] - jump, -1
            for y in range(max(i - 1, 0), min(i + 2, height)):
                for x in range(max(j - 1, 0), min(j + 2, width)):
                    if f32(0) <= nearness[y, x] < least:
                        least, place = nearness[y, x], y * width + x
            if place >= 0:
                origin[i, j] = place
                queue[count] = i * width + j
                count += 1
    done = 0
    while done < count:
        i, j = queue[done] // width, queue[done] % width
        source = origin[i, j]
        behind = nearness[source // width, source % width]
        done += 1
        if steps[i, j] >= reach:
            continue
        for k in range(4):
            y = i + (1 if k == 0 else -1 if k == 1 else 0)
            x = j + (1 if k == 2 else -1 if k == 3 else 0)
            if y < 0 or x < 0 or y >= height or x >= width or origin[y, x] >= 0:
                continue
            if nearness[y, x] > behind + jump:
                origin[y, x] = source
                steps[y, x] = steps[i, j] + 1
                queue[count] = y * width + x
                count += 1


@kernel
def settle(nearness, colour, places, number, jump, sweeps, values):
    """Make what is hidden as smooth as a membrane that hangs from what is seen beside it.

    In 1 / distance such a membrane goes on as a plane does.

    Args:
        nearness: `(H, W)` of what is seen.
        colour: `(H, W, 3)` of it.
        places: `(P,)` flat places of hidden points, rising.
        number: `(H, W)` of each hidden point in `places`, else -1.
        jump: As in `Stack`.
        sweeps: How often all are visited there and back: successive over-relaxation of Laplace's
            equation, free where a membrane ends without anything seen.
        values: `(P, 4)` nearness and colour; in, a first guess; out.
    """
    height, width = nearness.shape
    total = np.empty(4, np.float32)
    for sweep in range(2 * sweeps):
        for m in range(len(places)):
            n = m if sweep % 2 == 0 else len(places) - 1 - m
            i, j = places[n] // width, places[n] % width
            here = values[n, 0]
            count = 0
            total[:] = f32(0)
            for k in range(4):
                y = i + (1 if k == 0 else -1 if k == 1 else 0)
                x = j + (1 if k == 2 else -1 if k == 3 else 0)
                if y < 0 or x < 0 or y >= height or x >= width:
                    continue
                other = number[y, x]
                if (
                    nearness[y, x] < nearness[i, j] - jump
                    and abs(nearness[y, x] - here) <= SHEET * jump
                ):
                    count += 1
                    total[0] += nearness[y, x]
                    for c in range(3):
                        total[c + 1] += f32(colour[y, x, c])
                elif other >= 0 and abs(values[other, 0] - here) <= SHEET * jump:
                    count += 1
                    for c in range(4):
                        total[c] += values[other, c]
            if count > 0:
                part = f32(1) / f32(count)
                for c in range(4):
                    values[n, c] += RELAXATION * (total[c] * part - values[n, c])
