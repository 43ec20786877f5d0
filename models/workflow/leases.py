"""Which executors are alive, by leases on the clock of the database."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from models.workflow.database import Database, executors
from models.workflow.journal import StaleEpoch
from models.workflow.vitals import vitals_of
from models.workflow.writers import end_frozen_writer

logger = logging.getLogger(__name__)

PREFIX: Final = "orrery-"
UNCERTAIN_POLL_S: Final = 0.05
RETRY_S: Final = 0.1
REMEMBERED_S: Final = 86400.0


@dataclass(frozen=True)
class LeaseTimes:
    """How fast a death is noticed.

    Attributes:
        lease_s: An executor that was silent for so long is taken over.
        heartbeat_s: Between renewals.
    """

    lease_s: float = 2.5
    heartbeat_s: float = 0.5

    @property
    def silence_s(self) -> float:
        """Where an executor hears nothing for longer, others may not have been able to renew."""
        return self.lease_s - self.heartbeat_s

    @property
    def grace_s(self) -> float:
        """Time in which every living executor renews its lease, if the database answers."""
        return 2 * self.heartbeat_s

    @property
    def retry_s(self) -> float:
        """Between tries while the database does not answer, so that all are soon back with it."""
        return min(RETRY_S, self.heartbeat_s)


class Lease:
    """The lease of this process, renewed by a thread of its own.

    Every process gets an epoch greater than all before it, and its executor id from that: an id
    never comes back, so whatever still runs under an old one cannot be mistaken for new work.

    Args:
        database: Where the leases are.
        times: How fast a death is noticed.
        lost: Called once when the lease is gone; the process must do nothing more.
    """

    def __init__(self, database: Database, times: LeaseTimes, lost: Callable[[], None]) -> None:
        self._database = database
        self._times = times
        self._lost = lost
        self._stop = threading.Event()
        self._gone = False
        self._vitals = vitals_of(database)
        self.epoch = self._claimed()
        self._vitals.show(self.epoch)
        self._renewed = time.monotonic()
        self._may_judge_from = self._renewed
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    @property
    def executor_id(self) -> str:
        """The name under which the store knows this process."""
        return f"{PREFIX}{self.epoch}"

    @property
    def is_certain(self) -> bool:
        """Whether the lease has not ended; with a lost connection it can be fenced sooner."""
        return self._is_held_for(self._times.lease_s)

    def _is_held_for(self, seconds: float) -> bool:
        return not self._gone and time.monotonic() - self._renewed <= seconds

    @property
    def _late_s(self) -> float:
        """After so long without renewal, who shows no sign of life is taken for dead."""
        return 0.0 if self._vitals.certain else self._times.grace_s

    @property
    def may_judge(self) -> bool:
        """Whether a silent executor is dead, as far as this one can tell.

        While the database answers nobody, or this process is frozen, all leases end alike. After
        such a time, the living are given time to renew theirs.
        """
        now = time.monotonic()
        return now - self._renewed <= self._times.silence_s and now >= self._may_judge_from

    async def fence(self) -> None:
        """Go on only while the lease is certainly held; wait where the database is silent.

        Raises:
            StaleEpoch: It is lost.
        """
        while not self._is_held_for(self._late_s or self._times.lease_s):
            if self._gone:
                raise StaleEpoch(f"executor {self.epoch} was taken over")
            await asyncio.sleep(UNCERTAIN_POLL_S)

    def release(self) -> None:
        """Give the lease up, so that others need not wait for its end."""
        self._stop.set()
        self._thread.join(5)
        self._gone = True
        mine = executors.c.epoch == self.epoch
        self._database.transact(
            lambda c: c.execute(sa.update(executors).where(mine).values(fenced=True))
        )
        self._vitals.close()

    def _claimed(self) -> int:
        while True:
            try:
                return self._database.transact(self._claim)
            except IntegrityError:
                continue  # another process took the number

    def _claim(self, connection: sa.Connection) -> int:
        highest = connection.execute(sa.select(sa.func.max(executors.c.epoch))).scalar() or 0
        epoch = int(highest) + 1
        row = {
            "epoch": epoch,
            "executor_id": f"{PREFIX}{epoch}",
            "expires_at": self._database.now + self._times.lease_s,
            "fenced": False,
        }
        connection.execute(sa.insert(executors).values(row))
        return epoch

    def _beat(self) -> None:
        pause_s = self._times.heartbeat_s
        while not self._stop.wait(pause_s):
            asked = time.monotonic()
            if not self.renew():
                self._lost()
                return
            is_answered = self._renewed >= asked
            pause_s = self._times.heartbeat_s if is_answered else self._times.retry_s

    def renew(self) -> bool:
        """Renew the lease if the database answers; false where it is lost."""
        asked = time.monotonic()
        try:
            # First, so that who renewed its lease shows itself.
            if not self._vitals.show(self.epoch):
                # The others try as often as this one to show themselves again.
                self._may_judge_from = time.monotonic() + self._times.heartbeat_s
            held = self._database.transact(self._renew)
        except SQLAlchemyError as error:
            logger.warning("lease not renewed", extra={"reason": type(error).__name__})
            return True
        if not held:
            self._gone = True
            logger.error("lease lost", extra={"epoch": self.epoch})
            return False
        if asked - self._renewed > self._times.silence_s:
            self._may_judge_from = time.monotonic() + self._times.grace_s  # all may seem dead
        self._renewed = asked
        return True

    async def end_what_holds_up(self) -> int | None:
        """Kill a process that is frozen within a write so that nobody can renew; its id if so.

        It would be fenced if it could be: who wakes from such a freeze has lost its lease. Needs
        no thread, since all of them may wait for the store.
        """
        path = self._database.path
        if path is None or self._is_held_for(self._times.silence_s):
            return None
        return end_frozen_writer(path)

    def _renew(self, connection: sa.Connection) -> bool:
        mine = sa.and_(executors.c.epoch == self.epoch, executors.c.fenced.is_(False))
        expires_at = self._database.now + self._times.lease_s
        renewed = connection.execute(sa.update(executors).where(mine).values(expires_at=expires_at))
        return renewed.rowcount == 1

    def dead(self, connection: sa.Connection) -> sa.ColumnElement[bool]:
        """Which others let their lease end, or show no sign of life and are late to renew it."""
        others = sa.and_(executors.c.fenced.is_(False), executors.c.epoch != self.epoch)
        epochs = connection.execute(sa.select(executors.c.epoch).where(others)).scalars().all()
        missing = self._vitals.missing(connection, epochs)
        now = self._database.now
        gone = sa.and_(
            executors.c.epoch.in_(missing),
            executors.c.expires_at <= now + (self._times.lease_s - self._late_s),
        )
        return sa.and_(others, sa.or_(executors.c.expires_at <= now, gone))

    def fence_dead(self) -> list[str]:
        """Fence every executor that is dead; gives their names.

        An executor stays known for a day: one that was frozen may have accepted a last run.
        """
        fenced = self._database.transact(self._fence_dead) if self.may_judge else []
        self._vitals.forget(fenced)
        return [f"{PREFIX}{epoch}" for epoch in fenced]

    def _fence_dead(self, connection: sa.Connection) -> list[int]:
        if not self.may_judge:  # it may have taken long until the database was ours
            return []
        fence = sa.update(executors).where(self.dead(connection)).values(fenced=True)
        fenced = connection.execute(fence.returning(executors.c.epoch)).scalars().all()
        forgotten = sa.and_(
            executors.c.expires_at <= self._database.now - REMEMBERED_S,
            executors.c.fenced.is_(True),
            executors.c.epoch < self.epoch,
        )
        connection.execute(sa.delete(executors).where(forgotten))
        return list(fenced)
