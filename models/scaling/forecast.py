"""What is to be expected: by the rhythm of the day, and by how what waits grows."""

import math
from collections import deque
from dataclasses import dataclass, field

from models.scaling.snapshot import Demand

DAY_S = 86_400.0


@dataclass
class DayProfile:
    """Mean load by time of day, newer days counting more.

    Attributes:
        bin_s: Length of a bin.
        newest: Weight of the newest day.
    """

    bin_s: float = 600.0
    newest: float = 0.5
    _bins: dict[int, float] = field(default_factory=dict)
    _open: int = -1
    _sum: float = 0.0
    _count: int = 0

    def learn(self, now_s: float, load: float) -> None:
        """Note the load of a moment; moments come in order."""
        current = int(now_s // self.bin_s)
        if current != self._open:
            self._close()
            self._open = current
        self._sum += load
        self._count += 1

    def expect(self, at_s: float) -> float | None:
        """The load that is usual at a time of day; `None` if that time was never seen."""
        return self._bins.get(int(at_s % DAY_S // self.bin_s))

    def _close(self) -> None:
        if self._count:
            mean = self._sum / self._count
            of_day = int(self._open * self.bin_s % DAY_S // self.bin_s)
            before = self._bins.get(of_day, mean)
            self._bins[of_day] = before + self.newest * (mean - before)
        self._sum, self._count = 0.0, 0


@dataclass
class Rise:
    """Work that arrives: what is done, and what waits more than before.

    What replicas do cannot rise above what they can do. Beyond that, what arrives shows only in the
    growth of what waits.

    Attributes:
        window_s: Over which the growth is looked at; the one over which the load is averaged.
    """

    window_s: float = 30.0
    _seen: deque[tuple[float, float]] = field(default_factory=deque)

    def arriving(self, now_s: float, demand: Demand) -> float:
        """Seconds of work that arrive per second, as far as they are more than chance makes of it.

        Arrivals are random, and so few that their sum over a window varies by the root of how many
        there are (Poisson).

        Args:
            now_s: A moment; moments come in order.
            demand: Of that moment.
        """
        seen = self._seen
        seen.append((now_s, demand.backlog_s))
        while seen[0][0] < now_s - self.window_s:
            seen.popleft()
        growth = max(demand.backlog_s - seen[0][1], 0.0) / self.window_s
        queued = demand.queued
        piece_s = demand.backlog_s / queued if queued else demand.service_s
        chance = math.sqrt(piece_s * (demand.load + growth) / self.window_s)
        return demand.load + max(growth - chance, 0.0)
