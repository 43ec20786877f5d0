"""A clip filmed by several replicas: one leads, the others film segments for it."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final

from models.core.capability import Run
from models.core.errors import (
    Cancelled,
    CapabilityError,
    CapacityExceeded,
    UpstreamUnavailable,
)
from models.media.canvas import Band
from models.media.reel import Reel, Source
from models.video.board import GRACE_S, QUEUED_S, Board, Claim
from models.video.ranges import Courier, RangeResult

LOOK_AGAIN_S: Final = 0.2
PAUSE_S: Final = 1.0
PATIENCE: Final = 5
"""Failures in a row after which a seat stays empty."""
MAX_CREW: Final = 16
"""Replicas of one clip at most: others have clips too."""
WORTH_SHARING_S: Final = 40.0
"""A helper needs some seconds until its first frame: below so much work nobody is asked."""

logger = logging.getLogger(__name__)


class Crew:
    """Films a reel, alone or with peers; the bytes are the same.

    Args:
        reel: Takes the segments.
        run: Of the leader; its peers are asked.
        helpers: How many at once, 0 for none.
        courier: Writes the orders, and brings what was made.
        told: Takes the number of frames that are done.
        grace_s: See `Board`.
        queued_s: The same.

    Attributes:
        helped_by: Names of those whose segments are in the reel.
    """

    def __init__(
        self,
        reel: Reel,
        run: Run,
        helpers: int,
        courier: Courier,
        told: Callable[[int], None],
        grace_s: float = GRACE_S,
        queued_s: float = QUEUED_S,
    ) -> None:
        self._reel, self._run, self._courier = reel, run, courier
        self._helpers = helpers
        closed = [number for number in range(reel.segments) if reel.is_closed(number)]
        spans = [reel.span(number) for number in range(reel.segments)]
        self._board = Board(spans, closed, told, grace_s=grace_s, queued_s=queued_s)
        self._next = reel.closed
        self._stopped = threading.Event()
        self.helped_by: set[str] = set()

    def shoot(self, source: Source, closed: Callable[[int], None]) -> None:
        """Film what is missing.

        Args:
            source: Paints frames; called once for each that is filmed here.
            closed: Told of every further segment, in order, from this thread.

        Raises:
            Cancelled: The caller left; the peers have stopped.
            StorageFull: The disk is full; what was closed stays.
        """
        seats = [
            threading.Thread(target=self._seat, name=f"seat-{number}", daemon=True)
            for number in range(self._helpers)
        ]
        number = self._board.take()  # the next to be played, before anybody else is asked for it
        for seat in seats:
            seat.start()
        try:
            while not self._board.is_done:
                self._run.check()
                if number is None:
                    self._board.wait(LOOK_AGAIN_S)
                else:
                    self._reel.film(number, self._watched(source, number, closed), self._run.check)
                    self._board.close(number)
                self._publish(closed)
                number = self._board.take()
        finally:
            self._stopped.set()
            for seat in seats:
                seat.join()
            self._courier.forget()

    def _watched(self, source: Source, number: int, closed: Callable[[int], None]) -> Source:
        span = self._reel.span(number)

        def paint(frame: int) -> Iterator[Band]:
            self._publish(closed)
            yield from source(frame)
            self._board.paint(number, (frame - span.start + 1) / len(span))

        return paint

    def _publish(self, closed: Callable[[int], None]) -> None:
        while self._next < self._reel.segments and self._board.is_closed(self._next):
            closed(self._next)
            self._next += 1

    def _seat(self) -> None:
        """One peer at a time is asked for one segment at a time."""
        failures = 0
        while failures < PATIENCE and not self._stopped.is_set() and not self._board.is_done:
            claim = self._board.claim()
            if claim is None:
                self._board.wait(LOOK_AGAIN_S)
                continue
            try:
                self._errand(claim)
                failures = 0
            except Cancelled:
                self._board.release(claim)
                if not claim.withdrawn:
                    self._stopped.wait(PAUSE_S)
            except CapacityExceeded as error:
                self._board.release(claim)
                self._stopped.wait(error.retry_after_s or PAUSE_S)
            except UpstreamUnavailable as error:
                failures += 1
                self._board.release(claim, lost=claim.begun)
                logger.warning("range lost", extra={"segment": claim.number, "why": str(error)})
                self._stopped.wait(PAUSE_S)
            except CapabilityError as error:
                self._board.release(claim)
                logger.warning("a peer cannot help", extra={"code": error.code, "why": str(error)})
                return
            except Exception:  # the leader films it instead
                self._board.release(claim)
                logger.exception("range failed", extra={"segment": claim.number})
                return

    def _errand(self, claim: Claim) -> None:
        def left() -> bool:
            ended = self._stopped.is_set() or self._run.cancelled()
            return ended or claim.withdrawn or self._board.is_hopeless(claim)

        run = Run(
            self._run.owner,
            self._run.request_id,
            left,
            lambda share, _stage: self._board.advance(claim, share),
        )
        answer = self._asked(claim.number, run)
        if answer.lacks_field:
            self._courier.share_field()
            self._board.ask_again(claim)
            answer = self._asked(claim.number, run)
        if answer.lacks_field or claim.withdrawn:
            raise Cancelled("the segment is filmed elsewhere")
        self._courier.fetch(claim.number, answer)
        self.helped_by.add(answer.by)
        self._board.close(claim.number)

    def _asked(self, number: int, run: Run) -> RangeResult:
        answer = self._run.peers.ask(self._courier.order(number), run)
        if not isinstance(answer, RangeResult):
            raise TypeError(f"a range is answered by {type(answer).__name__}")
        return answer


def helpers_for(run: Run, parallel: int | None, segments: int, work_s: float) -> int:
    """How many peers to ask at once.

    Args:
        run: Knows its peers.
        parallel: Replicas at most, the leader included, as the caller wishes; `None` leaves it open.
        segments: That are missing.
        work_s: Seconds of a core that they take.
    """
    if parallel is None and work_s < WORTH_SHARING_S:
        return 0
    wished = MAX_CREW if parallel is None else min(parallel, MAX_CREW)
    return max(0, min(run.peers.most, wished - 1, segments - 1))
