"""The memory of markets: tapes and answers, in step with the record of them."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from models.fraud.market_log import Answered, MarketLog, Pair
from models.fraud.market_schema import MarketTrades, OrderBook
from models.fraud.record import NOT_RECORDED, Place
from models.fraud.schema import Refusal, Verdict
from models.fraud.tape import Tape

PAIRS, ANSWERS = 2_000, 2_000
"""Held in this process beside the record."""
CLASH = "event_id {!r} belongs to another window; give each window an id of its own"
NOT_KEPT = "the window is remembered by this process alone: "

Window = MarketTrades | OrderBook


@dataclass
class _Held:
    """A tape, and the version of the record that it holds."""

    tape: Tape = field(default_factory=Tape)
    version: int = 0


class MarketState:
    """Lets each window be judged once, with the tape of its pair.

    Where the record cannot be written the trades count in this process all the same.

    Args:
        place: Of the record, which is opened at the first window; `None` keeps none.
        clock: Seconds since 1970.
    """

    def __init__(self, place: Place = None, clock: Callable[[], float] = time.time) -> None:
        self._place, self._clock = place, clock
        self._log: MarketLog | None = None
        self._held: OrderedDict[Pair, _Held] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str], Answered] = OrderedDict()

    def once(
        self, window: Window, owner: str, judge: Callable[[Tape], Verdict]
    ) -> Verdict | Refusal:
        """The verdict of a window, given before or now; it is durable, or says that it is not.

        Args:
            window: Of trades or of orders.
            owner: Whose window.
            judge: Judges it, and adds its trades to the tape.
        """
        mark = hashlib.blake2b(window.model_dump_json().encode(), digest_size=16).digest()
        pair, verdict = Pair(owner, window.venue, window.symbol), None
        try:
            log = self._opened()
            with log.transaction(owner):
                earlier = self._answers.get((owner, window.event_id))
                earlier = earlier or log.answered(owner, window.event_id)
                if earlier is None:
                    held = self._refreshed(log, pair)
                    verdict = judge(held.tape)
                    self._write(log, pair, held)
                    log.answer(owner, window.event_id, Answered(mark, verdict))
            if earlier is None:
                _written(held)
        except NOT_RECORDED as error:
            earlier = self._answers.get((owner, window.event_id))
            if earlier is None:
                verdict = verdict or judge(self._hold(pair).tape)
                told = NOT_KEPT + error.detail
                verdict = verdict.model_copy(update={"degraded": (*verdict.degraded, told)})
        except BaseException:
            self._held.pop(pair, None)  # memory is ahead of the record: read it again
            raise
        if earlier is not None:
            return _again(window, earlier, mark)
        assert verdict is not None  # noqa: S101  # given above
        self._remember(owner, window.event_id, Answered(mark, verdict))
        return verdict

    def close(self) -> None:
        """Release the record."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _opened(self) -> MarketLog:
        if self._log is None:
            self._log = MarketLog(self._place, self._clock())
        return self._log

    def _refreshed(self, log: MarketLog, pair: Pair) -> _Held:
        """The tape with what other replicas added."""
        held, version = self._hold(pair), log.version(pair)
        if held.version != version:
            held.tape, held.version = Tape(log.chunks(pair)), version
        return held

    def _write(self, log: MarketLog, pair: Pair, held: _Held) -> None:
        if held.tape.changed:
            chunks, oldest = held.tape.changes(), held.tape.oldest
            log.write(pair, held.version + 1, chunks, oldest, self._clock())

    def _hold(self, pair: Pair) -> _Held:
        held = self._held.setdefault(pair, _Held())
        self._held.move_to_end(pair)
        if len(self._held) > PAIRS:
            self._held.popitem(last=False)
        return held

    def _remember(self, owner: str, event_id: str, answered: Answered) -> None:
        self._answers[owner, event_id] = answered
        if len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)


def _written(held: _Held) -> None:
    """Only now: what could not be written is written with the next window."""
    if held.tape.changed:
        held.version += 1
        held.tape.changed.clear()


def _again(window: Window, earlier: Answered, mark: bytes) -> Verdict | Refusal:
    if earlier.mark != mark:
        return Refusal(code="conflict", detail=CLASH.format(window.event_id))
    return earlier.verdict.model_copy(update={"duplicate": True})
