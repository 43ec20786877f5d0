"""Who may say that another executor is dead, and how soon a frozen one can be fenced."""

from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Protocol

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.workflow import leases
from models.workflow.database import Database, executors, is_passing
from models.workflow.leases import Lease, LeaseTimes, fence_expired

TIMES = LeaseTimes(lease_s=7200, heartbeat_s=3600)  # no thread renews within a test


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


def test_a_silent_executor_is_fenced_once_and_loses_its_lease(join: Join) -> None:
    (database, alive), (_, silent) = join(), join()
    assert fence_expired(database, alive) == []
    expire(database, silent)

    assert fence_expired(database, alive) == [silent.executor_id]

    assert fence_expired(database, alive) == []
    assert (silent.renew(), alive.renew()) == (False, True)


def test_after_a_silence_of_the_database_the_living_may_renew_first(
    join: Join, clock: SimpleNamespace
) -> None:
    (database, judge), (_, other) = join(), join()
    expire(database, other)

    clock.now += TIMES.silence_s + 1
    assert fence_expired(database, judge) == [], "it may have been frozen, or the database away"
    judge.renew()
    assert fence_expired(database, judge) == []
    other.renew()
    for _ in range(2):
        clock.now += TIMES.heartbeat_s
        judge.renew()

    assert judge.may_judge
    assert fence_expired(database, judge) == [], "the other one renewed its lease"
    expire(database, other)
    assert fence_expired(database, judge) == [other.executor_id]


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

    assert fence_expired(database, alive) == [frozen.executor_id]
    with pytest.raises(DBAPIError) as refused:
        transaction.execute(own)
    assert is_passing(refused.value)
    transaction.close()
    frozen.release()
