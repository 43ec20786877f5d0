import math
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from models.core.errors import ModelUnavailable, StorageFull
from models.fraud.features import NAMES
from models.fraud.journal import Journal
from models.fraud.state import Clash, Recorded, State
from models.fraud.velocity import Velocity
from tests.unit.fraud.conftest import DAY_S, NOON_S, Pay
from tests.unit.fraud.stream_payments import numbered

ROOT = Path(__file__).resolve().parents[3]
EVENTS = 10_000
COUNT_30D = NAMES.index("customer_count_30d")


def values(outcome: Recorded | Clash) -> list[float]:
    assert isinstance(outcome, Recorded)
    return [float(value) for value in outcome.values]


def test_a_payment_sent_twice_counts_once_and_is_answered_alike(journal: Journal, pay: Pay) -> None:
    state = State(journal)
    payment = pay()
    (first,) = state.record("local", [payment])
    (again,) = state.record("local", [payment])
    (next_one,) = state.record("local", [pay(1)])

    assert isinstance(again, Recorded)
    assert again.duplicate
    assert values(again) == pytest.approx(values(first), nan_ok=True)
    assert values(next_one)[COUNT_30D] == 1


def test_a_payment_twice_in_one_request_counts_once(journal: Journal, pay: Pay) -> None:
    payment = pay()
    first, again, other = State(journal).record("local", [payment, payment, pay(1)])

    assert isinstance(first, Recorded)
    assert isinstance(again, Recorded)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert values(other)[COUNT_30D] == 1


def test_an_id_belongs_to_one_payment(journal: Journal, pay: Pay) -> None:
    state = State(journal)
    state.record("local", [pay(event_id="x")])

    assert state.record("local", [pay(amount=11, event_id="x")]) == [Clash("x")]


def test_owners_share_nothing(journal: Journal, pay: Pay) -> None:
    state = State(journal)
    state.record("one", [pay(-1, event_id="x")])
    (outcome,) = state.record("other", [pay(0, event_id="x")])

    assert values(outcome)[COUNT_30D] == 0


def test_a_restart_changes_no_feature(tmp_path: Path, pay: Pay) -> None:
    payments = [pay(day, 10 + day % 5, device="phone") for day in range(40)]
    last, journal = pay(40, 99, device="new"), Journal(tmp_path / "one.sqlite")
    state = State(journal)
    state.record("local", payments)
    state.report("local", "e3", fraud=True, at_s=NOON_S + 5 * DAY_S, source="issuer")
    journal.close()
    reopened = Journal(tmp_path / "one.sqlite")
    (restarted,) = State(reopened).record("local", [last])
    reopened.close()
    velocity = Velocity()
    for payment in payments:
        accepted = velocity.features(payment)[1]
        velocity.accept(accepted)
        if payment.event_id == "e3":
            velocity.report_fraud(accepted, NOON_S + 5 * DAY_S)

    assert values(restarted) == pytest.approx(velocity.features(last)[0], nan_ok=True, rel=1e-6)


def test_replicas_on_one_file_see_each_others_payments(tmp_path: Path, pay: Pay) -> None:
    journals = [Journal(tmp_path / "shared.sqlite") for _ in range(2)]
    one, other = (State(journal) for journal in journals)
    one.record("local", [pay(-2)])
    other.record("local", [pay(-1)])
    (outcome,) = one.record("local", [pay(0)])
    for journal in journals:
        journal.close()

    assert values(outcome)[COUNT_30D] == 2


def test_a_report_on_an_unknown_payment_is_not_kept(journal: Journal) -> None:
    state = State(journal)

    assert not state.report("local", "nobody", fraud=True, at_s=NOON_S, source="issuer")


def test_a_failed_write_leaves_no_trace(
    journal: Journal, pay: Pay, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(journal)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "append", full)
        with pytest.raises(StorageFull, match="disk is full"):
            state.record("local", [pay(-1)])
    (outcome,) = state.record("local", [pay(0)])

    assert values(outcome)[COUNT_30D] == 0


def test_what_no_feature_looks_at_is_dropped_at_the_start(tmp_path: Path, pay: Pay) -> None:
    journal = Journal(tmp_path / "old.sqlite")
    State(journal).record("local", [pay(-400, event_id="old"), pay(0, event_id="new")])
    State(journal)

    assert journal.find("local", ["old", "new"]).keys() == {"new"}
    journal.close()


def test_payments_recorded_with_fewer_features_can_be_read(journal: Journal, pay: Pay) -> None:
    payment = pay()
    (recorded,) = State(journal).record("local", [payment])
    known = len(NAMES) - 2
    journal._record.execute("UPDATE payment SET features = substr(features, 1, ?)", (4 * known,))
    (again,) = State(journal).record("local", [payment])

    assert values(again)[:known] == pytest.approx(values(recorded)[:known], nan_ok=True)
    assert all(map(math.isnan, values(again)[known:]))
    assert journal.latest_features("local", 9).shape == (1, len(NAMES))


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_text("not a database, but long enough to be read as one" * 20)

    with pytest.raises(ModelUnavailable, match=r"bad\.sqlite"):
        Journal(tmp_path / "bad.sqlite")


def test_no_payment_is_lost_or_counted_twice_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "payments.sqlite"
    accepted = 0
    for kill_after in (2_000, 6_000, None):
        command = [sys.executable, "-m", "tests.unit.fraud.stream_payments", str(path)]
        start = max(0, accepted - 200)  # some are sent again, as by a client that saw no answer
        with subprocess.Popen(
            [*command, str(start), str(EVENTS)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                accepted = int(line)
                if kill_after is not None and accepted >= kill_after:
                    process.send_signal(signal.SIGKILL)
                    break
        journal = Journal(path)
        recorded = [entry.payment for _, entry in journal.payments_after("local", 0)]
        journal.close()
        assert len({p.event_id for p in recorded}) == len(recorded) >= accepted
    last = numbered(EVENTS)
    velocity = Velocity()
    for number in range(EVENTS):
        velocity.accept(velocity.features(numbered(number))[1])
    journal = Journal(path)
    (outcome,) = State(journal).record("local", [last])
    journal.close()

    assert recorded == [numbered(number) for number in range(EVENTS)]
    assert values(outcome) == pytest.approx(velocity.features(last)[0], nan_ok=True, rel=1e-6)
