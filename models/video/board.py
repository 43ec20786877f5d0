"""Who films which segment of a clip, and how far all of them are together."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

GRACE_S: Final = 1.0
QUEUED_S: Final = 3.0
"""No peer keeps a place in a queue for longer: what others asked for meanwhile has its turn."""
MAX_LOSSES: Final = 2
"""A segment that took so many peers with it is filmed by the leader."""


@dataclass(eq=False)
class Claim:
    """A segment that a peer was asked for.

    Attributes:
        number: Of the segment.
        asked_s: When.
        begun: Whether the peer is at work.
        withdrawn: Whether the leader took it back, and the peer should stop.
    """

    number: int
    asked_s: float
    begun: bool = False
    withdrawn: bool = False


class Board:
    """The segments of a clip among the leader and its peers; for several threads.

    The lowest segment always goes first, so that the clip can be played from its start. A segment
    belongs to whoever began it; until then the leader may take it back, so nobody waits for a peer
    that is busy with something else.

    Args:
        spans: Frames of each segment.
        closed: Segments that are there already.
        told: Takes the number of frames that are done whenever it grows.
        clock: Tells seconds.
        grace_s: For so long a peer that was asked may begin before the leader takes its segment.
        queued_s: For so long it may wait for a busy replica, even if the leader has enough to do.
    """

    def __init__(
        self,
        spans: Sequence[range],
        closed: Iterable[int],
        told: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = GRACE_S,
        queued_s: float = QUEUED_S,
    ) -> None:
        self._spans, self._told = spans, told
        self._clock, self._grace_s, self._queued_s = clock, grace_s, queued_s
        self._closed = set(closed)
        self._claims: dict[int, Claim] = {}
        self._own: int | None = None
        self._shares: dict[int, float] = {}
        self._losses: Counter[int] = Counter()
        self._shown = self._done()
        self._changed = threading.Condition()

    @property
    def is_done(self) -> bool:
        """Whether all segments are closed."""
        return len(self._closed) == len(self._spans)

    def is_closed(self, number: int) -> bool:
        """Whether a segment is."""
        return number in self._closed

    def take(self) -> int | None:
        """A segment for the leader: the lowest that nobody has begun; none where all are."""
        with self._changed:
            for number in range(len(self._spans)):
                claim = self._claims.get(number)
                if number in self._closed or (claim and not self._is_overdue(claim)):
                    continue
                if claim:
                    claim.withdrawn = True
                    del self._claims[number]
                self._own = number
                return number
            return None

    def _is_overdue(self, claim: Claim) -> bool:
        return self._queued_for_s(claim) >= self._grace_s

    def is_hopeless(self, claim: Claim) -> bool:
        """Whether a peer should leave its queue, and ask again later."""
        return self._queued_for_s(claim) >= self._queued_s

    def _queued_for_s(self, claim: Claim) -> float:
        return 0.0 if claim.begun else self._clock() - claim.asked_s

    def claim(self) -> Claim | None:
        """A segment to ask a peer for, if one is left."""
        with self._changed:
            for number in range(len(self._spans)):
                taken = number in self._closed or number in self._claims or number == self._own
                if not taken and self._losses[number] < MAX_LOSSES:
                    self._claims[number] = Claim(number, self._clock())
                    return self._claims[number]
            return None

    def advance(self, claim: Claim, share: float) -> None:
        """A peer is at work, and so far."""
        with self._changed:
            if not claim.withdrawn:
                claim.begun = True
                self._note(claim.number, share)

    def ask_again(self, claim: Claim) -> None:
        """The peer that had begun could not go on, for a reason that is removed."""
        with self._changed:
            claim.begun, claim.asked_s = False, self._clock()

    def paint(self, number: int, share: float) -> None:
        """The leader is so far with a segment."""
        with self._changed:
            self._note(number, share)

    def close(self, number: int) -> None:
        """A segment is there."""
        with self._changed:
            self._closed.add(number)
            self._claims.pop(number, None)
            self._own = None if self._own == number else self._own
            self._note(number, 1.0)
            self._changed.notify_all()

    def release(self, claim: Claim, *, lost: bool = False) -> None:
        """A peer gave a segment back; `lost` if it died of it or with it."""
        with self._changed:
            if self._claims.get(claim.number) is claim:
                del self._claims[claim.number]
                self._shares.pop(claim.number, None)
                self._losses[claim.number] += lost
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until a segment is closed or given back, at most so long."""
        with self._changed:
            if not self.is_done:
                self._changed.wait(seconds)

    def _note(self, number: int, share: float) -> None:
        self._shares[number] = share
        done = self._done()
        if done > self._shown:  # what a dead peer had done is shown until it is done again
            self._shown = done
            self._told(done)

    def _done(self) -> int:
        closed = sum(len(self._spans[number]) for number in self._closed)
        under_way = sum(
            share * len(self._spans[number])
            for number, share in self._shares.items()
            if number not in self._closed
        )
        return closed + int(under_way + 1e-9)
