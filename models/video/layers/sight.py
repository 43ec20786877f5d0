"""A stack of layers seen by a camera nearby."""

import numpy as np

from models.core.crew import cores, crew
from models.video.camera import Camera
from models.video.layers.arrays import Seen, Sight, Stack
from models.video.spline import Array

NEAREST: float = 0.1
"""What is nearer than that share of the nearest thing in the picture is behind the lens."""
PART_ROWS = 32
"""Rows that a thread draws at once."""


class Onlooker:
    """Draws frames of a stack; they do not depend on the number of threads.

    Args:
        stack: What is seen.
        pose: Of the picture's camera, `(4, 4)` to the world.
        threads: That draw; 0 for one per core.
    """

    def __init__(self, stack: Stack, pose: Array, threads: int = 0) -> None:
        self.stack = stack
        self._pose, self._threads = np.asarray(pose, float), threads or cores()
        self._nearest = max(float(stack.nearness[0].max()), 1e-9) / NEAREST

    def view(self, camera: Camera) -> "View":
        """The stack from a camera of projection `perspective`."""
        from models.video.layers.draw import spans  # noqa: PLC0415  # compiles

        pose = np.asarray(camera.pose, float)
        sight = Sight(
            turn=np.ascontiguousarray(pose[:3, :3].T @ self._pose[:3, :3]),
            shift=pose[:3, :3].T @ (self._pose[:3, 3] - pose[:3, 3]),
            focal_px=np.array([camera.focal_px * camera.stretch, camera.focal_px]),
            centre_px=np.array([camera.width / 2, camera.height / 2]) + camera.shift_px,
            nearest=self._nearest,
        )
        layers, height, _ = self.stack.nearness.shape
        rows = np.empty((layers, height - 1, 2))
        spans(self.stack, sight, rows)
        return View(self.stack, sight, rows, camera.width, self._threads)


class View:
    """One frame, to be drawn band by band.

    Args:
        stack: What is seen.
        sight: From where.
        spans: Where the rows of the stack fall.
        width: Columns.
        threads: That draw.
    """

    def __init__(self, stack: Stack, sight: Sight, spans: Array, width: int, threads: int) -> None:
        self._stack, self._sight, self._spans = stack, sight, spans
        self._width, self._threads = width, threads

    def band(self, rows: range) -> Seen:
        """Some adjoining rows."""
        from models.video.layers.draw import draw  # noqa: PLC0415  # compiles

        shape = (len(rows), self._width)
        seen = Seen(
            np.empty((*shape, 3), np.float32),
            np.empty(shape, np.float32),
            np.empty(shape, np.uint8),
        )
        cuts = list(range(0, len(rows), PART_ROWS)) if self._threads > 1 else [0]
        ends = [*cuts[1:], len(rows)]

        def part(number: int) -> None:
            own = slice(cuts[number], ends[number])
            draw(
                self._stack, self._sight, self._spans, rows.start + cuts[number],
                seen.colour[own], seen.nearness[own], seen.made[own],
            )  # fmt: skip

        with crew(min(self._threads, len(cuts))) as share:
            share(part, len(cuts))
        return seen
