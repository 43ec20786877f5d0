"""The checkpoints in memory: few, shared by all requests, replaced only when nobody uses them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from models.core.capability import Run

POLL_S = 0.1


class Closable(Protocol):
    """Something that gives its memory back."""

    def close(self) -> None:
        """Give it back."""
        ...


ServedT = TypeVar("ServedT", bound=Closable)


@dataclass
class _Place(Generic[ServedT]):
    served: ServedT | None = None
    users: int = 0


class Residents(Generic[ServedT]):
    """Loads what is asked for and keeps it as long as there is room.

    Args:
        most: Things kept at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: dict[str, _Place[ServedT]] = {}
        self._changed = threading.Condition()

    @contextmanager
    def using(self, key: str, load: Callable[[], ServedT], run: Run) -> Iterator[ServedT]:
        """Within, the thing is in memory.

        Args:
            key: Of the thing.
            load: Makes it.
            run: Whose caller may leave while it waits.

        Raises:
            Cancelled: The caller left before there was room.
        """
        place, served = self._taken(key, load, run)
        try:
            yield served
        finally:
            with self._changed:
                place.users -= 1
                self._changed.notify_all()

    def loaded(self, key: str) -> ServedT | None:
        """The thing, if it is in memory."""
        place = self._places.get(key)
        return None if place is None else place.served

    def _taken(
        self, key: str, load: Callable[[], ServedT], run: Run
    ) -> tuple[_Place[ServedT], ServedT]:
        with self._changed:
            while True:
                place = self._places.get(key)
                if place is not None and place.served is not None:
                    place.users += 1
                    self._places[key] = self._places.pop(key)  # the last one used comes last
                    return place, place.served
                if place is None and self._make_room():
                    place = self._places[key] = _Place(users=1)
                    break
                run.check()
                self._changed.wait(POLL_S)
        try:
            served = place.served = load()
        except BaseException:
            with self._changed:
                del self._places[key]
                self._changed.notify_all()
            raise
        with self._changed:
            self._changed.notify_all()
        return place, served

    def _make_room(self) -> bool:
        while len(self._places) >= self._most:
            idle = [key for key, place in self._places.items() if not place.users]
            if not idle:
                return False
            served = self._places.pop(idle[0]).served
            if served is not None:
                served.close()
        return True
