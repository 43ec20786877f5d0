"""How large a picture is."""

from typing import NamedTuple


class Size(NamedTuple):
    """Pixels across and down."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """All of them."""
        return self.width * self.height

    def within(self, width: int, height: int) -> "Size":
        """The largest size of these proportions that fits, both sides even."""
        scale = min(1.0, width / self.width, height / self.height)
        return Size(
            max(2, int(self.width * scale) // 2 * 2), max(2, int(self.height * scale) // 2 * 2)
        )


def doublings(native: Size, size: Size) -> int:
    """How often a network doubles the sides on the way to a larger size, up to twice; else 0.

    What is left to the very size is less than a quarter more, or is made smaller again.
    """
    ratio = max(size.width / native.width, size.height / native.height)
    if ratio <= 1:
        return 0
    return 1 if ratio <= 2.5 else 2
