"""Promised waiting times against closed forms of the queue, and in decisions."""

import math

import pytest

from models.scaling import explain
from models.scaling.decide import decide, load_for, need
from models.scaling.snapshot import Demand, Snapshot, Terms
from models.scaling.staffing import servers_for, waiting_longer


def test_one_server_waits_as_the_queue_with_one_server() -> None:
    # M/M/1: P(wait > t) = rho exp(-(1 - rho) t / s).
    assert waiting_longer(1, 0.6, 10, 5) == pytest.approx(0.6 * math.exp(-0.4 * 5 / 10))


def test_ten_servers_wait_as_erlang_c_says() -> None:
    assert waiting_longer(10, 8, 10, 0) == pytest.approx(0.4092, abs=1e-4)
    assert waiting_longer(8, 8, 10, 1000) == 1


def test_just_enough_servers_keep_the_promise() -> None:
    for load in (0.01, 0.7, 3.3, 25.0):
        count = servers_for(load, 10, 5, 0.95, most=99)

        assert waiting_longer(count, load, 10, 5) <= 0.05
        assert waiting_longer(count - 1, load, 10, 5) > 0.05
    assert servers_for(0, 10, 5, 0.95, most=99) == 0
    assert servers_for(25, 10, 5, 0.95, most=7) == 7


def promised(wait_s: float, load: float = 3.0) -> Demand:
    terms = Terms(1, 20, slack=0, wait_s=wait_s, kept=0.95)
    return Demand(terms, 1, load=load, service_s=10)


def test_a_shorter_promise_takes_more_replicas_and_says_so() -> None:
    targets = [decide(Snapshot(0, {"a": promised(wait_s)})).targets["a"] for wait_s in (60, 10, 1)]
    choice = decide(Snapshot(0, {"a": promised(10)})).choices["a"]

    assert targets == sorted(targets)
    assert targets[0] < targets[2]
    assert "so that 95% of requests begin within 10 s" in explain.reason(choice)


def test_the_load_for_a_number_of_replicas_is_where_the_promise_breaks() -> None:
    load = load_for(5, promised(10))

    assert need(promised(10, load - 1e-6)) == 5
    assert need(promised(10, load + 1e-3)) == 6


def test_a_promise_beyond_the_maximum_is_bound_by_it() -> None:
    choice = decide(Snapshot(0, {"a": promised(10, 40)})).choices["a"]

    assert (choice.target, choice.binding) == (20, "maximum")


def test_headroom_decides_until_the_work_was_measured() -> None:
    terms = Terms(1, 20, headroom=1, slack=0, wait_s=1)

    assert need(Demand(terms, 1, load=4)) == 6
