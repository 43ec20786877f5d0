"""The rhythm of the day, learned while it passes."""

from dataclasses import dataclass, field

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
