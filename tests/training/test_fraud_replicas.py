"""Replicas on several machines that share a PostgreSQL database, beside one replica on a file."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.core.capability import Run
from models.core.errors import Conflict, ModelUnavailable, UpstreamUnavailable
from models.fraud import postgres
from models.fraud.cases_schema import PromotionRequest
from models.fraud.contest import LOOK_EVERY
from models.fraud.flow_scoring import FlowModel
from models.fraud.flow_site import Sites
from models.fraud.flow_state import FlowState
from models.fraud.journal import Journal
from models.fraud.payments import Payment
from models.fraud.postgres import BAD_URL, Postgres
from models.fraud.shelf import Table
from models.fraud.state import Recorded, State
from tests.training.fraud_replica import NOON_S, Json, Replica, answers, be_patient, cases, model_of
from tests.training.stream_memory import flow
from tests.workflow.postgres import Server

POSTGRES = "models.fraud.postgres"
SESSION = postgres.SESSION
NOWHERE = "postgresql://nobody@127.0.0.1:1/x"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSWER_S", "SESSION"):
        monkeypatch.setattr(f"{POSTGRES}.{name}", getattr(postgres, name))  # undone at the end
    monkeypatch.setitem(postgres.NETWORK, "connect_timeout", 0)
    be_patient()


@pytest.fixture
def url(postgres_server: Server) -> str:
    return postgres_server.empty_database()


@pytest.fixture
def replicas(tmp_path: Path, url: str) -> Iterator[list[Replica]]:
    with Replica(tmp_path / "one", url) as one, Replica(tmp_path / "other", url) as other:
        yield [one, other]


def paid(number: int, **other: Any) -> Json:
    """A payment; every seventh comes an hour late."""
    at_s = NOON_S + 600 * number - 3600 * (number % 7 == 0)
    return {
        "kind": "transaction",
        "event_id": f"e{number}",
        "at": datetime.fromtimestamp(at_s, UTC).isoformat(),
        "customer_id": f"c{number % 5}",
        "terminal_id": f"t{number % 3}",
        "amount": 10 + number * 37 % 300 + 2000 * (number % 23 == 0),
        "device_id": f"d{number % 4}",
        "country": "DE" if number % 6 else "FR",
        **other,
    }


def known(number: int, fraud: bool) -> Json:
    at = datetime.fromtimestamp(NOON_S + 86_400, UTC).isoformat()
    return {"kind": "feedback", "event_id": f"e{number}", "fraud": fraud, "reported_at": at}


def traded(number: int) -> Json:
    trades = [
        {
            "at_ms": int(1000 * (NOON_S + 40 * number + 3 * n)),
            "price": 1 + (number + n) % 11 / 100,
            "amount": 1.0 + (number * n) % 5,
            "taker_buy": n % 3 > 0,
        }
        for n in range(13)
    ]
    name = {"kind": "market_trades", "event_id": f"w{number}", "symbol": "X\\0\0"}
    return {**name, "trades": trades}


def requests() -> Iterator[tuple[str, list[Json]]]:
    """Of two owners: payments, labels, flows and windows, some of them sent again."""
    for n in range(40):
        owner = "one" if n % 5 else "other"
        yield owner, [paid(4 * n + k) for k in range(4)]
        yield owner, [paid(4 * n + 1), paid(4 * n + 2, amount=1.5)]
        yield owner, [flow(3 * n + k).model_dump(mode="json", exclude_none=True) for k in range(3)]
        yield owner, [traded(n), traded(max(0, n - 5))]
        yield owner, [known(4 * n, fraud=n % 2 == 0), known(max(0, 4 * n - 16), fraud=False)]
    # Labels count after seven days.
    later = datetime.fromtimestamp(NOON_S + 12 * 86_400, UTC).isoformat()
    yield from (("one", [paid(1000 + n, at=later)]) for n in range(8))


def test_two_replicas_on_a_database_answer_as_one_on_a_file(
    tmp_path: Path, url: str, replicas: list[Replica]
) -> None:
    alone, shared = model_of(tmp_path, None), model_of(tmp_path / "third", url)
    told = [answers(alone, *request) for request in requests()]
    found = [replicas[number % 2].ask(*request) for number, request in enumerate(requests())]
    queues = [cases(shared, owner) == cases(alone, owner) for owner in ("one", "other")]
    again = answers(shared, *next(requests()))
    alone.close()
    shared.close()

    assert found == told
    assert queues == [True, True]
    assert [each["duplicate"] for each in again] == [True] * 4


def test_each_payment_counts_once_for_replicas_that_are_asked_at_the_same_time(
    tmp_path: Path, url: str, replicas: list[Replica]
) -> None:
    for start in range(0, 120, 6):
        for replica in replicas:
            replica.send("one", [paid(start + k) for k in range(6)])
    first = Counter(
        each["event_id"]
        for replica in replicas
        for _ in range(0, 120, 6)
        for each in replica.answered()
        if not each["duplicate"]
    )
    journal, steady = Journal(Postgres(url)), Journal(tmp_path / "steady.sqlite")
    recorded = [accepted.payment for _, accepted in journal.payments_after("one", 0)]
    features = {name: each.features for name, each in journal.find("one", list(first)).items()}
    replayed = State(steady).record("one", recorded)
    journal.close()
    steady.close()

    assert first == Counter(f"e{number}" for number in range(120))
    assert len(recorded) == 120
    for payment, outcome in zip(recorded, replayed, strict=True):
        assert isinstance(outcome, Recorded)
        assert outcome.values.tobytes() == np.array(features[payment.event_id], "f4").tobytes()


def test_the_death_of_a_replica_loses_nothing_and_doubles_nothing(
    tmp_path: Path, url: str, replicas: list[Replica]
) -> None:
    one, other = replicas
    alone = model_of(tmp_path, None)
    told = [answers(alone, "one", [paid(number)]) for number in range(60)]
    alone.close()
    found = [replicas[number % 2].ask("one", [paid(number)]) for number in range(30)]
    one.send("one", [paid(30)])
    one.kill()
    # Whether it was counted is not known, so it is sent again, as by a client that saw no answer.
    retried = other.ask("one", [paid(30)])
    found += [retried] + [other.ask("one", [paid(number)]) for number in range(31, 60)]

    for answer in retried:
        answer["duplicate"] = False
    assert found == told


def payment(number: int) -> Payment:
    return Payment(f"p{number}", NOON_S + 60.0 * number, "anna", "kiosk", 1000)


def test_a_database_that_is_away_degrades_every_verdict_until_it_is_back(
    tmp_path: Path, url: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{POSTGRES}.PAUSE_S", 0.0)
    model = model_of(tmp_path, url)
    events = [paid(0), flow(0).model_dump(mode="json", exclude_none=True), traded(0)]
    before = answers(model, "one", events)
    model._contest._unseen = LOOK_EVERY  # the drift of payments is due as well
    postgres_server.stop("immediate")
    try:
        away = answers(model, "one", [paid(1), known(0, fraud=True), traded(1)])
        started_away = model_of(tmp_path / "late", url)
        unknown = answers(started_away, "one", [paid(1)])
        with pytest.raises(UpstreamUnavailable, match="does not answer"):
            cases(model, "one")
    finally:
        postgres_server.start()
    back = answers(model, "one", [paid(1), traded(1)])
    late = answers(started_away, "one", [paid(1), paid(4)])
    model.close()
    started_away.close()

    assert not [each for each in before if "recorded" in str(each["degraded"])]
    payment_away, feedback, window = away
    assert (payment_away["decision"], payment_away["decided_by"]) == ("review", "degraded")
    assert "rules alone" in payment_away["degraded"][0]
    assert "no case was opened" in payment_away["degraded"][1]
    assert feedback["outcome"] == "refused"
    assert "this process alone" in str(window["degraded"])
    assert unknown[0]["decision"] == "review"
    assert (back[0]["degraded"], back[0]["duplicate"]) == ([], False)
    assert [each["duplicate"] for each in late] == [True, False]
    assert late[1]["memory"]["terminal_payments_1d"] == 1


def test_a_server_that_is_silent_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Postgres(url)
    state = State(Journal(kept))
    state.record("one", [payment(0)])
    pid = kept._connected().info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as hasty:
            hasty.setattr(f"{POSTGRES}.ANSWER_S", 0.3)
            with pytest.raises(UpstreamUnavailable, match="does not answer"):
                state.record("one", [payment(1)])
        recorded = state.record("one", [payment(0), payment(1)])
    finally:
        os.kill(pid, signal.SIGCONT)
    state.close()

    assert [isinstance(each, Recorded) and each.duplicate for each in recorded] == [True, False]


def test_a_replica_that_froze_holds_up_nobody_for_long_and_writes_nothing_later(url: str) -> None:
    frozen, awake = Journal(Postgres(url)), Journal(Postgres(url))
    state = State(awake)
    state.record("one", [payment(0)])
    with pytest.raises(UpstreamUnavailable), frozen.transaction("one"):  # noqa: PT012
        frozen.report("one", "p0", True, NOON_S, "")
        frozen._record.execute("SET idle_in_transaction_session_timeout = 50")
        elsewhere = state.record("other", [payment(0)])
        recorded = state.record("one", [payment(1)])  # waits for the lock
        frozen.report("one", "p0", True, NOON_S, "")
    reports = awake.reports_after("one", 0)
    frozen.close()
    state.close()

    assert "idle_in_transaction_session_timeout = 3000" in SESSION
    assert len(elsewhere) == len(recorded) == 1
    assert reports == []


def test_a_lost_connection_is_made_again_before_anybody_notices(url: str) -> None:
    one, other = Postgres(url), Postgres(url)
    state = FlowState(one)
    state.take([flow(0)], "one")
    pid = one._connected().info.backend_pid
    other._connected().execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    other.drop()
    found, why = state.take([flow(0), flow(1)], "one")
    state.close()

    assert [again for _, again in found] == [True, False]
    assert not why


def test_tables_that_were_dropped_are_made_again(url: str) -> None:
    one, other = Postgres(url), Postgres(url)
    state = FlowState(one)
    state.take([flow(0)], "one")
    other._connected().execute("DROP SCHEMA orrery_fraud CASCADE")
    other.drop()
    _, why = state.take([flow(1)], "one")
    _, why_later = state.take([flow(2)], "one")
    state.close()

    assert "does not answer" in why
    assert not why_later


def test_flows_judged_alone_are_not_counted_twice_when_they_reach_the_record(url: str) -> None:
    lost, steady = Postgres(NOWHERE), FlowState()
    state = FlowState(lost)
    _, why = state.take([flow(0)], "one")
    state._place = Postgres(url)
    state.close()
    elsewhere = FlowState(Postgres(url))
    elsewhere.take([flow(0)], "one")
    ((found, _),), _ = state.take([flow(1)], "one")
    steady.take([flow(0)], "one")
    ((told, _),), _ = steady.take([flow(1)], "one")
    for each in (state, elsewhere):
        each.close()

    assert "does not answer" in why
    assert "nobody" not in why
    assert found.row.tobytes() == told.row.tobytes()


@pytest.mark.parametrize(
    "wrong", ["mysql://u:hunter2@h/x", "postgresql://u:hunter2@h/x?nonsense=1"]
)
def test_a_wrong_url_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        Postgres(wrong)

    assert caught.value.detail == BAD_URL
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None


def test_a_database_that_was_not_reached_is_left_alone_for_a_while() -> None:
    now = 0.0
    database = Postgres(NOWHERE, lambda: now)
    details = []
    for now in (0.0, 1.0, 6.0):  # noqa: B007 - read by the clock
        with pytest.raises(UpstreamUnavailable) as caught:
            Journal(database)._record.execute("SELECT 1")
        details.append("moment ago" in str(caught.value.__cause__))

    assert details == [False, True, False]


def test_what_is_ordinary_on_a_network_is_known_to_every_replica(url: str) -> None:
    trained = FlowModel.load().trained
    database = Postgres(url)
    told, asked = (Sites(Table(each), "model") for each in (database, Postgres(url)))
    nothing = asked.of("one")
    told.keep("one", trained)
    first = asked.of("one")
    told.keep("one", replace(trained, limit=7.5))
    second, foreign = asked.of("one"), asked.of("other")
    other_model = Sites(Table(database), "other model").of("one")
    asked._shelf = Table(Postgres(NOWHERE))
    away = asked.of("one")

    assert (nothing, foreign, other_model) == (None, None, None)
    assert first is not None
    assert first.limit == trained.limit
    assert second is not None
    assert second.limit == 7.5
    assert away is second


def test_no_champion_is_exchanged_where_other_machines_would_not_hear_of_it(
    tmp_path: Path,
) -> None:
    model = model_of(tmp_path, NOWHERE)
    with pytest.raises(Conflict, match=r"options\.fraud\.weights"):
        model.run(PromotionRequest(action="promote"), Run("local", "r"))
    model.close()
