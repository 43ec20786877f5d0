"""Owners take the threads of a replica in turn."""

import threading

import pytest

from deployments.turns import Turns


def test_one_piece_of_work_does_not_wait_for_all_of_another_owner() -> None:
    turns, go, order = Turns(1, "turns"), threading.Event(), list[str]()
    begun = turns.submit("crowd", lambda: go.wait(30) and None)
    crowd = [turns.submit("crowd", lambda: order.append("crowd")) for _ in range(50)]
    late = turns.submit("late", lambda: order.append("late"))
    go.set()
    for future in (begun, *crowd, late):
        future.result(30)

    assert order.index("late") <= 1
    assert len(order) == 51


def test_a_failure_is_of_whoever_waits_and_the_thread_goes_on() -> None:
    turns = Turns(1, "turns")
    failed, fine = turns.submit("a", lambda: 1 / 0), turns.submit("a", lambda: 1.0)

    with pytest.raises(ZeroDivisionError):
        failed.result(30)
    assert fine.result(30) == 1.0


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    turns, go, done = Turns(1, "turns"), threading.Event(), list[str]()
    turns.submit("a", lambda: go.wait(30) and None)
    left = turns.submit("a", lambda: done.append("left"))
    last = turns.submit("a", lambda: done.append("last"))
    left.cancel()
    go.set()
    last.result(30)

    assert done == ["last"]
