"""The parts of `orrery chaos`: what it breaks, and how it judges."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from graphs.chaos.ledger import Ledger
from graphs.chaos.load import Order, orders, restarts_in
from graphs.chaos.schedule import Fault, plan
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

        assert frozen
        assert killed
        assert gone or mine.status() == psutil.STATUS_ZOMBIE
        assert not victims.strike(Fault("orchestrator", "kill", 0, 0, 0))
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


def test_a_takeover_lasts_from_the_death_to_the_new_start() -> None:
    def event(second: int, name: str, task: str | None = "a") -> dict[str, Any]:
        at = f"2026-01-01T00:00:{second:02}+00:00"
        return {"name": name, "task": task, "item": 0, "at": at}

    began_again = restarts_in(
        [
            event(0, "workflow.started", None),
            event(1, "task.started"),
            event(2, "task.progress"),
            event(7, "task.started"),
            event(8, "task.completed"),
            event(9, "task.started", "b"),
        ]
    )
    death = began_again[0][0] + 1.5

    verdict = judge([order("r", "completed", restarts=began_again)], {}, 0, [0.0, death], 1, 1.0)

    assert [round(after - before) for before, after in began_again] == [5]
    assert (verdict.takeovers, verdict.takeover_p99_s) == (1, 3.5)
