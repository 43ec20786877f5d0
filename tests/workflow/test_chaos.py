"""The parts of `orrery chaos`: what it breaks, and how it judges."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from graphs.chaos.ledger import Ledger
from graphs.chaos.load import Move, Order, moves_in, orders
from graphs.chaos.schedule import Fault, plan
from graphs.chaos.takeovers import Hit, takeovers
from graphs.chaos.verdict import judge
from graphs.chaos.victims import Victims
from models.workflow.spec import Spec

TITLE = "ray::ServeReplica:orrery:drill"
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()


def order(name: str, state: str | None, **more: Any) -> Order:
    outputs = {"last": f"{name}-last"} if state == "completed" else {}
    status = None if state is None else {"state": state, "outputs": outputs}
    made = Order(name, {}, ("completed",), (f"{name}-last",), {name}, status)
    for key, value in more.items():
        setattr(made, key, value)
    return made


def test_half_a_request_of_a_client_that_was_killed_has_no_effect(
    ledger: Ledger, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = ledger.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 15\r\nIdempotency-Key: 1\r\n\r\n{")
    httpx.post(ledger.url, json={"intent": "other"}, headers={"Idempotency-Key": "2"})

    assert ledger.effects() == {"other": 1}
    assert capfd.readouterr().err == ""


def test_a_seed_fixes_the_schedule() -> None:
    first, again, other = list(plan(300, 1)), list(plan(300, 1)), list(plan(300, 2))

    assert first == again != other
    assert {fault.role for fault in first} == {
        "capability", "orchestrator", "gateway", "proxy", "controller", "database",
    }  # fmt: skip
    assert all(f.role != "database" for f in plan(300, 1, frozenset({"database"})))


def test_orders_are_graphs() -> None:
    book = orders(1)

    made = [book.next() for _ in range(100)]

    assert all(Spec.model_validate(one.spec).tasks for one in made)
    assert {one.may_end for one in made} >= {("completed",), ("failed",)}


def test_only_descendants_are_hit() -> None:
    replica = f"subprocess.Popen(['{TITLE}', '-c', '{SLEEP}'], executable=sys.executable)"
    parent = subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; {replica}; {SLEEP}"])
    stranger = subprocess.Popen([TITLE, "-c", SLEEP], executable=sys.executable)
    try:
        victims = Victims(parent.pid)
        while not victims.of("capability"):
            time.sleep(0.02)
        mine = victims.of("capability")[0]

        frozen = victims.strike(Fault("capability", "freeze", 0, 0.2, 0.9))
        while mine.status() != psutil.STATUS_STOPPED:
            time.sleep(0.02)
        victims.wait_until_awake()
        killed = victims.strike(Fault("capability", "kill", 0, 0, 0.9))
        gone, _ = psutil.wait_procs([mine], timeout=10)

        assert frozen == killed == mine.pid
        assert gone or mine.status() == psutil.STATUS_ZOMBIE
        assert victims.strike(Fault("orchestrator", "kill", 0, 0, 0)) is None
        assert stranger.poll() is None
    finally:
        for process in (parent, stranger):
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_an_effect_under_its_key_happens_once_and_under_another_twice(ledger: Ledger) -> None:
    for intent, key in (("a", "1"), ("a", "1"), ("b", "1"), ("b", "2")):
        httpx.post(ledger.url, json={"intent": intent}, headers={"Idempotency-Key": key})

    assert ledger.effects() == {"a": 1, "b": 2}
    assert ledger.repeats == 1


def test_broken_promises_are_counted() -> None:
    found = [
        order("fine", "completed"),
        order("lost", None),
        order("wrong", "failed"),
        order("twice", "completed", run_ids={"twice", "again"}),
        order("refused", None, run_ids=set()),
    ]

    verdict = judge(found, {"fine-last": 1, "x": 2}, 0, [], 3, 1.0)

    assert (verdict.accepted, verdict.lost, verdict.wrong_final_states) == (4, 1, 2)
    assert (verdict.effects_twice, verdict.effects_missing, verdict.is_kept) == (1, 1, False)
    assert judge([order("fine", "completed")], {"fine-last": 1}, 5, [], 3, 1.0).is_kept


def event(second: int, name: str, task: str | None = "a", pid: int = 1) -> dict[str, Any]:
    at = f"1970-01-01T00:00:{second:02}+00:00"
    data = {"epoch": 10 * pid, "pid": pid} if name == "task.started" else {}
    return {"name": name, "task": task, "item": 0, "at": at, "data": data}


def test_a_move_is_a_call_that_another_process_begins_again() -> None:
    moves = moves_in(
        [
            event(0, "workflow.started", None),
            event(1, "task.started"),
            event(2, "task.progress"),
            event(5, "task.started"),
            event(7, "task.started", pid=2),
            event(8, "task.completed"),
            event(9, "task.started", "b", pid=3),
        ]
    )

    assert moves == [Move(5, 7, 1)]


def test_a_takeover_lasts_from_the_hit_that_was_not_outlived() -> None:
    moves = [Move(0, 20, 1)]
    restart = Hit(12, 16, "restart")

    def taken(*hits: Hit) -> tuple[str, float, float]:
        found = takeovers(moves, hits)[0]
        return found.cause, found.seconds, found.with_database_s

    assert taken(Hit(15, 15, "kill", 1)) == ("kill", 5, 5)
    assert taken(Hit(2, 5, "freeze", 1), Hit(15, 15, "kill", 1)) == ("kill", 5, 5)
    assert taken(Hit(2, 14, "freeze", 1), Hit(15, 15, "kill", 1)) == ("freeze", 18, 18)
    assert taken(Hit(15, 15, "kill", 2)) == ("none", 20, 20)

    moves = [Move(14.5, 20, 1)]  # it wrote after it woke
    assert taken(Hit(2, 14, "freeze", 1), Hit(15, 15, "kill", 1)) == ("kill", 5, 5)
    assert taken(Hit(14, 14, "kill", 1)) == ("kill", 6, 6)
    assert taken(Hit(2, 14, "freeze", 1)) == ("none", 5.5, 5.5)
    moves = [Move(0, 20, 1)]
    assert taken(Hit(13, 13, "kill", 1), restart) == ("kill", 7, 4)
    assert taken(restart) == ("restart", 8, 4)


def test_takeovers_are_counted_by_what_caused_them() -> None:
    hits = [Hit(float(second), float(second), "kill", second) for second in range(1, 6)]
    moves = [Move(0, 2.0 * second, second) for second in range(1, 6)]

    verdict = judge([order("r", "completed", moves=moves)], {}, 0, hits, 5, 1.0)
    figures = dict(verdict.rows())

    assert (figures["takeovers"], figures["takeovers after kill"]) == ("5", "5")
    assert (figures["takeover p50 s"], figures["takeover p99 s"]) == ("3", "5")
    assert figures["takeovers after none"] == "0"
