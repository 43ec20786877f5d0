"""How many rows one forward may have: a model of the memory that a row takes."""

import logging
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

RESERVE = 0.8
"""Part of the free memory that rows may take: the rest is for decoding and fragmentation."""


class Gauge(Protocol):
    """Measures a device."""

    def free_bytes(self) -> int:
        """What could be allocated now."""
        ...

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """The most that some work had allocated at once."""
        ...


class RowBudget:
    """Bounds rows by size: measured at warm-up, halved wherever memory ran out after all.

    Activations grow with the latent pixels, so that sizes in between follow from the nearest one
    that was measured.

    Args:
        gauge: Of the device.
        probe: Runs a forward of so many rows at this many latent pixels.
        most: Never more rows than this, whatever fits.
    """

    def __init__(self, gauge: Gauge, probe: Callable[[int, int], object], most: int) -> None:
        self._gauge, self._probe, self._most = gauge, probe, most
        self._bounds: dict[int, int] = {}
        self._measured: dict[int, tuple[int, int]] = {}

    def measure(self, area: int) -> int:
        """Run forwards of one and two rows at a size; returns the bytes that a row takes."""
        self._probe(1, area)  # libraries keep what their first call makes
        one = self._gauge.peak_bytes(lambda: self._probe(1, area))
        two = self._gauge.peak_bytes(lambda: self._probe(2, area))
        row = max(1, two - one)
        # What the first row takes beyond the second's share is there once, however many follow.
        self._measured[area] = (row, max(0, one - row))
        extra = {"area": area, "row_bytes": row, "rows": self.bound(area)}
        logger.info("rows measured", extra=extra)
        return row

    def bound(self, area: int) -> int:
        """Most rows of a forward at this many latent pixels, at least 1."""
        if area not in self._bounds:
            self._bounds[area] = self._estimated(area)
        return self._bounds[area]

    def halve(self, area: int) -> int:
        """Take half as many rows from now on, at this size and every larger one."""
        bound = max(1, self.bound(area) // 2)
        for other in self._bounds:
            if other >= area:
                self._bounds[other] = min(self._bounds[other], bound)
        logger.warning(
            "memory ran out, fewer rows from now on", extra={"area": area, "rows": bound}
        )
        return bound

    def _estimated(self, area: int) -> int:
        if not self._measured:
            return self._most
        nearest = min(self._measured, key=lambda other: abs(other - area))
        row, once = (size * area / nearest for size in self._measured[nearest])
        room = int((self._gauge.free_bytes() * RESERVE - once) // row)
        return max(1, min(self._most, room))
