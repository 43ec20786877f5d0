"""Processes die and freeze; nothing accepted is lost, and no effect happens twice."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow.test_validation import echo
from tests.workflow.executor import LOST, Ledger, main
from tests.workflow.postgres import Server

KILLS = 6
SPEC: dict[str, Any] = {
    "tasks": [
        echo("a"),
        echo("b", needs=["a"], **{"with": {"sleep_s": 1.0}}),
        echo("b2", needs=["a"]),
        echo("c", needs=["b", "b2"]),
    ],
    "outputs": {"last": "${{ tasks.c.outputs.key }}"},
}


# One process imports everything, and is forked for each executor.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.workflow.executor"])


class Executor:
    """A process with an engine."""

    def __init__(self, url: str, folder: Path) -> None:
        self._pipe, far_end = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=main, args=(url, folder, far_end), daemon=True)
        self.process.start()
        far_end.close()
        try:
            assert self._pipe.recv() == "ready"
        except EOFError:
            raise AssertionError((folder / "executors.log").read_text()) from None

    def ask(self, **command: object) -> dict[str, Any]:
        self._pipe.send(command)
        answer: dict[str, Any] = self._pipe.recv()
        return answer

    def submit(self, run: str, spec: dict[str, Any] = SPEC) -> None:
        self.ask(do="submit", run=run, spec=spec)

    def ended(self, run: str, within_s: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            status = self.ask(do="status", run=run)
            if status.get("state") in ("completed", "failed", "cancelled"):
                return status
            time.sleep(0.05)
        raise AssertionError(f"{run} did not end: {status}")

    def until_only_b_runs(self, run: str) -> None:
        """The other tasks are recorded, and nothing is being written."""
        wait_for(lambda: [t["state"] for t in self.ask(do="status", run=run)["tasks"]] == [
            "completed", "running", "completed", "pending",
        ])  # fmt: skip
        time.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def ended_with(self, within_s: float) -> int | None:
        """Its exit status."""
        self.process.join(within_s)
        return self.process.exitcode

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self._pipe.close()


@pytest.fixture
def started(url: str, tmp_path: Path) -> Iterator[Callable[[], Executor]]:
    with ExitStack() as stack:

        def start() -> Executor:
            executor = Executor(url, tmp_path)
            stack.callback(executor.close)
            return executor

        yield start


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


def wait_for(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_run_goes_on_after_kill_9(started: Callable[[], Executor], ledger: Ledger) -> None:
    first = started()
    first.submit("r")
    first.until_only_b_runs("r")

    first.signal(signal.SIGKILL)
    status = started().ended("r")

    assert status["state"] == "completed"
    assert status["outputs"] == {"last": "r:c:0"}
    assert sorted(ledger.keys("start")) == ["r:a:0", "r:b2:0", "r:b:0", "r:b:0", "r:c:0"]
    assert sorted(ledger.keys("effect")) == ["r:a:0", "r:b2:0", "r:b:0", "r:c:0"]
    assert {task["id"]: task["attempts"] for task in status["tasks"]} == {
        "a": 1, "b": 2, "b2": 1, "c": 1,
    }  # fmt: skip


def test_another_executor_takes_over(started: Callable[[], Executor], ledger: Ledger) -> None:
    first, second = started(), started()
    first.submit("r")
    first.until_only_b_runs("r")

    first.signal(signal.SIGKILL)
    wait_for(lambda: ledger.keys("start").count("r:b:0") == 2)
    status = second.ended("r")

    assert status["state"] == "completed"
    assert sorted(ledger.keys("effect")) == ["r:a:0", "r:b2:0", "r:b:0", "r:c:0"]


def test_a_frozen_executor_that_wakes_makes_no_effect(
    started: Callable[[], Executor], ledger: Ledger
) -> None:
    first, second = started(), started()
    first.submit("r")
    first.until_only_b_runs("r")

    first.signal(signal.SIGSTOP)
    status = second.ended("r")
    first.signal(signal.SIGCONT)

    # Frozen within a write to the embedded store, it was ended before it could wake.
    assert first.ended_with(10) in (LOST, -signal.SIGKILL)
    assert status["state"] == "completed"
    assert sorted(ledger.keys("effect")) == ["r:a:0", "r:b2:0", "r:b:0", "r:c:0"]
    assert second.ended("r") == status


def test_random_kills_lose_nothing(started: Callable[[], Executor], ledger: Ledger) -> None:
    dice = random.Random(1)  # noqa: S311 - no secret
    quick = {"tasks": [*SPEC["tasks"][:1], echo("b", needs=["a"], **{"with": {"sleep_s": 0.3}})]}
    executors = [started(), started()]
    accepted = []
    for number in range(KILLS):
        for executor in executors:
            name = f"r{number}-{executors.index(executor)}"
            executor.submit(name, quick)
            accepted.append(name)
        time.sleep(dice.uniform(0, 0.6))
        victim = dice.randrange(2)
        executors[victim].signal(signal.SIGKILL)
        executors[victim].process.join()
        executors[victim] = started()

    states = [executors[0].ended(name, 40)["state"] for name in accepted]

    assert states == ["completed"] * len(accepted)
    effects = ledger.keys("effect")
    expected = {f"{name}:{task}:0" for name in accepted for task in "ab"}
    assert set(effects) == expected
    ended_once = [key for key in effects if key.endswith(":a:0")]
    repeated = len(ended_once) - len(set(ended_once))
    assert repeated <= KILLS, "only a kill between an effect and its record repeats it"


def test_a_database_restart_delays_and_nothing_more(
    postgres_server: Server, postgres: str, tmp_path: Path, ledger: Ledger
) -> None:
    executor = Executor(postgres, tmp_path)
    try:
        for number in range(5):
            executor.submit(f"r{number}")
        wait_for(lambda: "r0:b:0" in ledger.keys("start"))
        postgres_server.stop("immediate")
        time.sleep(0.5)
        postgres_server.start()

        states = [executor.ended(f"r{number}", 40)["state"] for number in range(5)]
    finally:
        executor.close()

    assert states == ["completed"] * 5
    effects = ledger.keys("effect")
    assert sorted(effects) == sorted(set(effects))
