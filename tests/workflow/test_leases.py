"""Who may say that another executor is dead, and how soon a frozen one can be fenced."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, Protocol

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from models.workflow import leases
from models.workflow.database import Database, executors, is_passing
from models.workflow.leases import Lease, LeaseTimes
from models.workflow.vitals import LOCK_CLASS, FileVitals
from models.workflow.writers import LOCKS, writer_of

TIMES = LeaseTimes(lease_s=36000, heartbeat_s=3600)  # no thread renews within a test


class Join(Protocol):
    """Starts another executor."""

    def __call__(self) -> tuple[Database, Lease]: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The monotonic clock of this process."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(leases, "time", clock)
    return clock


@pytest.fixture
def join(url: str) -> Iterator[Join]:
    with ExitStack() as stack:

        def join() -> tuple[Database, Lease]:
            database = Database(url)
            stack.callback(database.close)
            lease = Lease(database, TIMES, lambda: None)
            stack.callback(lease.release)
            return database, lease

        yield join


def expire(database: Database, lease: Lease) -> None:
    own = sa.update(executors).where(executors.c.epoch == lease.epoch)
    database.transact(lambda c: c.execute(own.values(expires_at=0.0)))


def lose_locks(lease: Lease) -> None:
    """As the system does it when a process ends."""
    if isinstance(lease._vitals, FileVitals):
        assert lease._vitals._own is not None
        lease._vitals._own[1].close()
    else:
        lease._vitals.close()


def test_a_silent_executor_is_fenced_once_and_loses_its_lease(join: Join) -> None:
    (database, alive), (_, silent) = join(), join()
    assert alive.fence_dead() == []
    expire(database, silent)

    assert alive.fence_dead() == [silent.executor_id]

    assert alive.fence_dead() == []
    assert (silent.renew(), alive.renew()) == (False, True)


def test_a_process_that_died_is_fenced_before_its_lease_ends(join: Join) -> None:
    (database, alive), (_, dying) = join(), join()

    lose_locks(dying)
    found = alive.fence_dead()

    if database.is_postgres:  # a connection can break by itself: its executor has a second
        assert found == []
        own = sa.update(executors).where(executors.c.epoch == dying.epoch)
        late = executors.c.expires_at - TIMES.grace_s - 1
        database.transact(lambda c: c.execute(own.values(expires_at=late)))
        found = alive.fence_dead()
    assert found == [dying.executor_id]


def cut_off(database: Database, *epochs: int) -> None:
    """Return when the server has ended the sessions in which these executors show themselves."""
    end = sa.text(
        "SELECT pg_terminate_backend(pid, 20000) FROM pg_locks "
        "WHERE locktype = 'advisory' AND classid = :kind AND objid = ANY(:epochs) "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    values = {"kind": LOCK_CLASS, "epochs": list(epochs)}
    ended = database.transact(lambda c: c.execute(end, values).scalars().all())
    assert ended == [True] * len(epochs)


def test_an_executor_whose_connection_broke_shows_itself_again(postgres: str) -> None:
    database = Database(postgres)
    alive, other = (Lease(database, TIMES, lambda: None) for _ in range(2))
    late = sa.update(executors).values(expires_at=executors.c.expires_at - TIMES.grace_s - 1)

    cut_off(database, other.epoch)
    assert other.renew()
    database.transact(lambda c: c.execute(late))
    assert alive.fence_dead() == []

    cut_off(database, alive.epoch, other.epoch)
    assert alive.fence_dead() == [], "it lost its own lock as well"
    assert alive.renew()
    assert alive.fence_dead() == [], "the other one may be about to come back"
    for lease in (alive, other):
        lease.release()
    database.close()


@pytest.mark.parametrize(
    ("silent_s", "waits_s"), [(1.0, TIMES.heartbeat_s), (TIMES.silence_s + 1, TIMES.grace_s)]
)
def test_who_comes_back_judges_later_where_leases_may_have_ended(
    postgres: str, clock: SimpleNamespace, silent_s: float, waits_s: float
) -> None:
    database = Database(postgres)
    lease = Lease(database, TIMES, lambda: None)
    cut_off(database, lease.epoch)
    clock.now += silent_s
    assert lease.renew()

    found = []
    for seconds in (waits_s - 1, 1):
        clock.now += seconds
        lease._renewed = clock.now  # it goes on renewing
        found.append(lease.may_judge)

    assert found == [False, True]
    lease.release()
    database.close()


def test_after_a_silence_of_the_database_the_living_may_renew_first(
    join: Join, clock: SimpleNamespace
) -> None:
    (database, judge), (_, other) = join(), join()
    expire(database, other)

    clock.now += TIMES.silence_s + 1
    assert judge.fence_dead() == [], "it may have been frozen, or the database away"
    judge.renew()
    assert judge.fence_dead() == []
    other.renew()
    for _ in range(2):
        clock.now += TIMES.heartbeat_s
        judge.renew()

    assert judge.may_judge
    assert judge.fence_dead() == [], "the other one renewed its lease"
    expire(database, other)
    assert judge.fence_dead() == [other.executor_id]


def test_each_executor_gets_a_greater_number(join: Join) -> None:
    numbers = [join()[1].epoch for _ in range(3)]

    assert numbers == sorted(set(numbers))


def test_an_executor_frozen_within_a_transaction_holds_nobody_up(
    postgres: str, request: pytest.FixtureRequest
) -> None:
    frozen_in, database = Database(postgres), Database(postgres)
    request.addfinalizer(frozen_in.close)
    request.addfinalizer(database.close)
    frozen, alive = (Lease(d, TIMES, lambda: None) for d in (frozen_in, database))
    request.addfinalizer(alive.release)
    own = sa.select(executors.c.fenced).where(executors.c.epoch == frozen.epoch)
    transaction = frozen_in.engine.connect()
    transaction.execute(own.with_for_update(read=True))

    Lease(database, TIMES, lambda: None).release()  # may start meanwhile
    expire(database, frozen)  # waits until the server has ended the transaction

    assert alive.fence_dead() == [frozen.executor_id]
    with pytest.raises(DBAPIError) as refused:
        transaction.execute(own)
    assert is_passing(refused.value)
    transaction.close()
    frozen.release()


class Beats:
    """Stands for the end of the process: comes after so many pauses, which it notes."""

    def __init__(self, pauses: int) -> None:
        self._left = pauses
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self._left -= 1
        self.waited.append(seconds)
        return self._left < 0

    def set(self) -> None:
        """Nothing waits."""


def test_while_the_database_is_away_an_executor_tries_more_often(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, lease = join()
    transact, away = database.transact, [True, True, False, False]

    def try_to(work: Callable[[sa.Connection], bool]) -> bool:
        if away.pop(0):
            raise OperationalError("UPDATE", None, ConnectionError())
        return transact(work)

    beats = Beats(4)
    with monkeypatch.context() as patched:
        patched.setattr(lease, "_stop", beats)
        patched.setattr(database, "transact", try_to)
        lease._beat()

    seldom_s, often_s = TIMES.heartbeat_s, TIMES.retry_s
    assert beats.waited == [seldom_s, often_s, often_s, seldom_s, seldom_s]


WRITES = """
import os, signal, sys, time
from pathlib import Path
from models.workflow.database import Database

def freeze(connection):
    connection.exec_driver_sql("UPDATE orrery_executors SET fenced = fenced")
    if sys.argv[2] == "frozen":
        os.kill(os.getpid(), signal.SIGSTOP)
    print("writes", flush=True)
    time.sleep(600)

Database(sys.argv[1]).transact(freeze)
"""


@contextmanager
def writing(path: Path, how: Literal["frozen", "slow"]) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process within a write."""
    command = [sys.executable, "-c", WRITES, str(path), how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if how == "slow":
            assert process.stdout.readline() == b"writes\n"
        else:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.skipif(not LOCKS.exists(), reason="only Linux tells who holds a lock")
@pytest.mark.parametrize("how", ["frozen", "slow"])
def test_only_a_process_that_is_frozen_within_a_write_is_ended(
    tmp_path: Path, clock: SimpleNamespace, how: Literal["frozen", "slow"]
) -> None:
    path = tmp_path / "runs.db"
    database = Database(path)
    lease = Lease(database, TIMES, lambda: None)
    assert writer_of(path) is None

    with writing(path, how) as other:
        assert writer_of(path) == other.pid
        assert asyncio.run(lease.end_what_holds_up()) is None, "the lease was renewed just now"
        clock.now += TIMES.silence_s + 1
        ended = asyncio.run(lease.end_what_holds_up())

        assert ended == (other.pid if how == "frozen" else None)
        if how == "frozen":
            assert other.wait() == -signal.SIGKILL
            assert lease.renew()
    lease.release()
    database.close()
