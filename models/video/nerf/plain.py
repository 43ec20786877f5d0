"""Compiled: pictures of a field as it is fitted."""

from models.video.nerf.kernels import kernel
from models.video.nerf.march import march, new_tape, shade
from models.video.nerf.optics import HALF, ONE, ZERO, f32


@kernel
def draw_rays(origins, directions, first, stop, grid, net, sky, near_m, rgb, alpha, depth):
    """Colour, opacity and depth of the rays `first` to `stop`, all arrays flat over rays."""
    tape = new_tape()
    for r in range(first, stop):
        for a in range(3):
            tape.origin[a] = origins[r, a]
            tape.direction[a] = directions[r, a]
        march(grid, tape, near_m, HALF)
        shade(net, sky, tape)
        for a in range(3):
            rgb[r, a] = min(max(tape.color[a], ZERO), ONE)
        alpha[r] = ONE - tape.measure[0]
        depth[r] = tape.measure[1] if alpha[r] > f32(1e-3) else ZERO
