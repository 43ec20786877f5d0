"""The checkpoints in memory: few, shared by all requests, replaced only when nobody uses them."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from models.core.capability import Run
from models.core.errors import CapacityExceeded

POLL_S = 0.1
SMOOTHING = 0.2  # of the measured seconds of a load


class Closable(Protocol):
    """Something that gives its memory back."""

    def close(self) -> None:
        """Give it back."""
        ...


KeyT = TypeVar("KeyT", bound=Hashable)
ServedT = TypeVar("ServedT", bound=Closable)


@dataclass
class _Place(Generic[ServedT]):
    served: ServedT | None = None
    users: int = 0


class Residents(Generic[KeyT, ServedT]):
    """Loads what is asked for, or is advised, and keeps it as long as there is room.

    Args:
        most: Things kept at a time.

    Attributes:
        load_s: Seconds that a load took lately; 0 before the first.
    """

    def __init__(self, most: int) -> None:
        self.load_s = 0.0
        self._most = most
        self._places: dict[KeyT, _Place[ServedT]] = {}
        self._spare: tuple[KeyT, ...] = ()
        self._waiting = 0  # requests, for room
        self._changed = threading.Condition()

    @contextmanager
    def using(self, key: KeyT, load: Callable[[], ServedT], run: Run) -> Iterator[ServedT]:
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
            self._leave(place)

    def keep(self, key: KeyT, load: Callable[[], ServedT]) -> None:
        """Load a thing ahead of requests, in a free place or that of a spare one in no use.

        A request for it that comes meanwhile waits for this load.

        Raises:
            CapacityExceeded: There is no such place, or a request waits for it.
        """
        with self._changed:
            if key in self._places:
                return
            if self._waiting or not self._make_room(only_spare=True):
                raise CapacityExceeded("no place is free, and what is spare is in use")
            place = self._places[key] = _Place(users=1)
        self._fill(key, place, load)
        self._leave(place)

    def spare(self, keys: Iterable[KeyT]) -> None:
        """What should make room first from now on."""
        with self._changed:
            self._spare = tuple(keys)

    def kept(self) -> tuple[KeyT, ...]:
        """What is in memory or being loaded, the longest unused first."""
        with self._changed:
            return tuple(self._places)

    def loaded(self, key: KeyT) -> ServedT | None:
        """The thing, if it is in memory."""
        place = self._places.get(key)
        return None if place is None else place.served

    def _taken(
        self, key: KeyT, load: Callable[[], ServedT], run: Run
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
                self._wait(place is None)
        return place, self._fill(key, place, load)

    def _wait(self, for_room: bool) -> None:
        self._waiting += for_room
        try:
            self._changed.wait(POLL_S)
        finally:
            self._waiting -= for_room

    def _fill(self, key: KeyT, place: _Place[ServedT], load: Callable[[], ServedT]) -> ServedT:
        began_s = time.monotonic()
        try:
            served = place.served = load()
        except BaseException:
            with self._changed:
                del self._places[key]
                self._changed.notify_all()
            raise
        took_s = time.monotonic() - began_s
        with self._changed:
            self.load_s += (SMOOTHING if self.load_s else 1.0) * (took_s - self.load_s)
            self._changed.notify_all()
        return served

    def _leave(self, place: _Place[ServedT]) -> None:
        with self._changed:
            place.users -= 1
            self._changed.notify_all()

    def _make_room(self, only_spare: bool = False) -> bool:
        while len(self._places) >= self._most:
            idle = [key for key, place in self._places.items() if not place.users]
            first = [key for key in self._spare if key in idle] or ([] if only_spare else idle)
            if not first:
                return False
            served = self._places.pop(first[0]).served
            if served is not None:
                served.close()
        return True
