"""How work that takes long finds out that nobody waits for it."""

from collections.abc import Callable
from typing import TypeAlias

Poll: TypeAlias = Callable[[], None]
"""Called often, by any thread; what it raises ends the work."""


def patience() -> None:
    """A poll that never ends the work."""
