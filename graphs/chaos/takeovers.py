"""How long work lies idle after its process was hit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from graphs.chaos.load import Move
from graphs.chaos.schedule import Blow

AWAKE_S: Final = 1.5  # a process that is there so long after it woke has outlived its freeze


@dataclass(frozen=True)
class Hit:
    """An orchestrator that was hit, or a database that was restarted.

    Attributes:
        at: POSIX time.
        until: When it woke, or answered again; of a kill, when it was hit.
        blow: How.
        pid: Of the process; of a database, 0.
    """

    at: float
    until: float
    blow: Blow
    pid: int = 0


@dataclass(frozen=True)
class Takeover:
    """A step that went on in another process.

    Attributes:
        cause: What its first process died of; of a process that was not hit, `none`.
        seconds: From the hit to the new start; where there was none, from the last sign of life.
        with_database_s: The part of it in which the database was not being restarted.
    """

    cause: Blow | str
    seconds: float
    with_database_s: float


def takeovers(moves: Iterable[Move], hits: Sequence[Hit]) -> list[Takeover]:
    """All of them, the shortest first."""
    restarts = [hit for hit in hits if hit.blow == "restart"]
    found = []
    for move in moves:
        hit = _death(move, hits)
        began = move.heard_at if hit is None else hit.at
        away_s = sum(
            max(0.0, min(restart.until, move.again_at) - max(restart.at, began))
            for restart in restarts
        )
        seconds = move.again_at - began
        found.append(Takeover("none" if hit is None else hit.blow, seconds, seconds - away_s))
    return sorted(found, key=lambda takeover: takeover.seconds)


def _death(move: Move, hits: Sequence[Hit]) -> Hit | None:
    """The hit that the first process of a move did not outlive.

    It outlived all but the last, unless that one came when it had hardly woken, and it had written
    nothing since: only who has its lease can write. Who wrote after the last freeze outlived it too.
    """
    own = sorted((h for h in hits if h.pid == move.pid and h.at <= move.again_at), key=_time_of)
    while len(own) > 1 and not _is_outlived(own[-2], own[-1], move):
        own.pop()
    if own and (own[-1].blow == "kill" or move.heard_at <= own[-1].until):
        return own[-1]
    silent = (h for h in hits if h.blow == "restart" and move.heard_at <= h.until <= move.again_at)
    return min(silent, key=_time_of, default=None)


def _is_outlived(earlier: Hit, later: Hit, move: Move) -> bool:
    return later.at - earlier.until >= AWAKE_S or move.heard_at > earlier.until


def _time_of(hit: Hit) -> float:
    return hit.at
