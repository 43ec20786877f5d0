"""The decision: tables for what it says, properties for what it never does."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scaling import explain
from models.scaling.decide import Decision, decide, load_for, need
from models.scaling.snapshot import Demand, Limits, Need, Node, Snapshot, Terms, Waiting

loads = st.floats(0, 200)
terms_of = st.builds(
    lambda low, span, gpu, priority, headroom, slack: Terms(
        min_replicas=low,
        max_replicas=low + span,
        gpu_share=gpu,
        priority=priority,
        headroom=headroom,
        slack=slack,
    ),
    st.integers(0, 3),
    st.integers(0, 40),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.integers(0, 2),
    st.floats(0, 4),
    st.sampled_from([0.0, 0.1, 0.3]),
)
demands_of = st.builds(
    Demand, terms_of, st.integers(0, 40), load=loads, forecast=loads, backlog_s=st.floats(0, 5000)
)
snapshots = st.builds(
    Snapshot,
    st.just(0.0),
    st.dictionaries(st.sampled_from(["image", "video", "fraud"]), demands_of, min_size=1),
    st.builds(Limits, gpus=st.sampled_from([0.0, 1.0, 4.0, 16.0, math.inf])),
    st.lists(st.builds(Node, st.just("a"), memory=st.floats(0, 1)), max_size=2).map(tuple),
)


def one(demand: Demand, **snapshot: object) -> Decision:
    return decide(Snapshot(0.0, {"image": demand}, **snapshot))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("load", "backlog_s", "headroom", "target", "binding"),
    [
        (0, 0, 1, 1, "minimum"),
        (1, 0, 0, 1, "load"),
        (4, 0, 1, 6, "load"),
        (4, 60, 1, 7, "load"),
        (4, 0, 0, 4, "load"),
        (100, 0, 1, 8, "maximum"),
    ],
)
def test_the_target_is_load_backlog_and_headroom(
    load: float, backlog_s: float, headroom: float, target: int, binding: str
) -> None:
    terms = Terms(min_replicas=1, max_replicas=8, headroom=headroom, slack=0)
    choice = one(Demand(terms, 1, load=load, backlog_s=backlog_s)).choices["image"]

    assert (choice.target, choice.binding) == (target, binding)


def test_no_more_replicas_work_off_what_waits_than_requests_wait() -> None:
    terms = Terms(0, 40, headroom=0, slack=0, drain_s=60)
    two = (Waiting("large", 2, 600.0),)

    assert one(Demand(terms, 1, backlog_s=1200)).targets == {"image": 20}
    assert one(Demand(terms, 1, backlog_s=1200, waiting=two)).targets == {"image": 2}


def test_a_forecast_above_the_load_is_prepared_for() -> None:
    terms = Terms(max_replicas=8, headroom=0, slack=0)

    assert one(Demand(terms, 1, load=1, forecast=3)).targets == {"image": 3}


def test_a_replica_that_works_on_two_at_once_counts_twice() -> None:
    terms = Terms(max_replicas=8, headroom=0, slack=0, concurrency=2)

    assert one(Demand(terms, 1, load=6)).targets == {"image": 3}


@pytest.mark.parametrize(("first", "image", "video"), [("image", 4, 0), ("video", 0, 4)])
def test_the_higher_priority_gets_the_gpus(first: str, image: int, video: int) -> None:
    terms = Terms(min_replicas=0, max_replicas=4, gpu_share=0.5, headroom=0, slack=0)
    demands = {
        name: Demand(replace(terms, priority=int(name == first)), 0, load=4)
        for name in ("image", "video")
    }
    decision = decide(Snapshot(0.0, demands, Limits(gpus=2)))

    assert decision.targets == {"image": image, "video": video}
    loser = decision.choices["video" if first == "image" else "image"]
    assert loser.binding == "budget"
    assert "shared by priority" in explain.reason(loser)
    assert "higher priority shrinks" in explain.changes(loser)[0]


def test_equals_share_the_gpus_in_proportion() -> None:
    terms = Terms(min_replicas=0, max_replicas=9, gpu_share=1, headroom=0, slack=0)
    demands = {"image": Demand(terms, 0, load=8), "video": Demand(terms, 0, load=4)}

    assert decide(Snapshot(0.0, demands, Limits(gpus=6))).targets == {"image": 4, "video": 2}


def test_a_deployment_without_gpus_needs_no_budget() -> None:
    assert one(
        Demand(Terms(max_replicas=4, headroom=0, slack=0), 1, load=3), limits=Limits(gpus=0)
    ).targets["image"] == (3)


def test_shrinking_waits_for_the_holding_time_and_growing_does_not() -> None:
    terms = Terms(max_replicas=8, headroom=0, slack=0, hold_s=300)
    past: dict[str, tuple[Need, ...]] = {}
    seen: list[int] = []
    for now_s, load in [(0, 1), (10, 5), (20, 1), (300, 2), (309, 1), (311, 1), (601, 1)]:
        demand = Demand(terms, seen[-1] if seen else 1, load=load)
        decision = decide(Snapshot(float(now_s), {"image": demand}, past=past))
        past = decision.past
        seen.append(decision.targets["image"])

    assert seen == [1, 5, 5, 5, 5, 2, 1]


def test_full_machines_stop_growth_but_take_nothing_away() -> None:
    demand = Demand(Terms(max_replicas=8, headroom=0, slack=0), 2, load=5)
    full = (Node("a", memory=0.97), Node("b", disk=0.99))
    choice = one(demand, nodes=full).choices["image"]

    assert (choice.target, choice.binding) == (2, "pressure")
    assert "a: memory at 97%; b: disk at 99%" in explain.reason(choice)
    assert one(demand, nodes=(*full, Node("c"))).targets == {"image": 5}
    assert one(demand, nodes=full, limits=Limits(nodes_can_join=True)).targets == {"image": 5}


def test_the_words_give_the_figures_and_what_would_change_them() -> None:
    terms = Terms(max_replicas=8, headroom=1, slack=0.1)
    demand = Demand(terms, 2, load=4, backlog_s=30, default_replicas=2)
    choice = one(demand).choices["image"]

    assert explain.reason(choice) == (
        "grows from 2 to 8: a load of 4.00, 30 s of work waiting: 6.5 replicas needed"
    )
    assert explain.default(choice) == "2 instead of 8"
    grows, shrinks = explain.changes(choice)
    assert grows == "grows only if max_replicas is raised above 8"
    assert shrinks == "shrinks at a load of at most 3.89 for 300 s"


def test_a_small_rise_within_the_slack_changes_nothing() -> None:
    terms = Terms(max_replicas=64, headroom=0, slack=0.2)
    grown = one(Demand(terms, 5, load=10)).targets["image"]

    assert grown == 12
    assert one(Demand(terms, grown, load=11.9)).targets["image"] == 12
    assert one(Demand(terms, grown, load=8)).targets["image"] == 12
    assert one(Demand(terms, grown, load=7)).targets["image"] == 9


@given(snapshots)
@settings(max_examples=60, deadline=None)
def test_bounds_and_budget_hold_and_each_choice_is_explained(snapshot: Snapshot) -> None:
    decision = decide(snapshot)

    needed = 0.0
    for name, demand in snapshot.demands.items():
        terms, choice = demand.terms, decision.choices[name]
        assert terms.min_replicas <= choice.target <= terms.max_replicas
        assert explain.reason(choice)
        assert explain.changes(choice)
        needed += terms.min_replicas * terms.gpu_share
    used = sum(decision.targets[n] * d.terms.gpu_share for n, d in snapshot.demands.items())
    assert used <= max(snapshot.limits.gpus, needed) + 1e-6


@given(snapshots, loads, st.floats(0, 100))
@settings(max_examples=60, deadline=None)
def test_more_load_never_gives_fewer_replicas(
    snapshot: Snapshot, load: float, further: float
) -> None:
    name = min(snapshot.demands)

    def target(load: float) -> int:
        demands = {**snapshot.demands, name: replace(snapshot.demands[name], load=load)}
        return decide(replace(snapshot, demands=demands)).targets[name]

    assert target(load) <= target(load + further)


@given(demands_of, st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=60, deadline=None)
def test_constant_load_settles_and_never_flaps(demand: Demand, before: list[int]) -> None:
    past = {"image": tuple(Need(-10.0 * n, need) for n, need in enumerate(before, 1))}
    targets, replicas = [], demand.replicas
    for tick in range(60):
        now = replace(demand, replicas=replicas)
        decision = decide(Snapshot(10.0 * tick, {"image": now}, past=past))
        past, replicas = decision.past, decision.targets["image"]
        targets.append(replicas)

    # It may still grow when the load needs more than the past did, then it only shrinks, once.
    assert targets[1:] == sorted(targets[1:], reverse=True)
    assert len(set(targets[31:])) == 1


@given(demands_of, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_load_for_inverts_the_wish(demand: Demand, replicas: int) -> None:
    load = load_for(replicas, demand)
    if load > 0:
        again = need(replace(demand, load=load, forecast=0))
        assert again == pytest.approx(replicas)


def test_a_shrink_waits_until_the_spare_replicas_are_worth_a_change() -> None:
    terms = Terms(max_replicas=64, headroom=0, slack=0, hold_s=0, spare_s=600)

    def shrinks_after(load: float) -> int:
        past: dict[str, tuple[Need, ...]] = {}
        for tick in range(1000):
            demand = Demand(terms, 10, load=load)
            decision = decide(Snapshot(10.0 * tick, {"image": demand}, past=past))
            past = decision.past
            if decision.targets["image"] < 10:
                assert decision.targets["image"] == math.ceil(load)
                return tick * 10
        return -1

    assert shrinks_after(4) == 100
    assert shrinks_after(9) == 600
    assert shrinks_after(10) == -1


def test_an_overdrawn_budget_of_changes_makes_shrinking_rarer_and_says_so() -> None:
    def changes_of(changes_per_hour: float) -> tuple[int, list[str]]:
        terms = Terms(
            max_replicas=64,
            headroom=0,
            slack=0,
            hold_s=0,
            spare_s=600,
            changes_per_hour=changes_per_hour,
        )
        past: dict[str, tuple[Need, ...]] = {}
        replicas, changes, said = 4, 0, []
        for minute in range(24 * 60):  # ten minutes of much load, ten of little
            demand = Demand(terms, replicas, load=4 + 8 * (minute // 10 % 2))
            decision = decide(Snapshot(60.0 * minute, {"image": demand}, past=past))
            past = decision.past
            changes += decision.targets["image"] != replicas
            replicas = decision.targets["image"]
            said.append(explain.reason(decision.choices["image"]))
        return changes, said

    free, _ = changes_of(0)
    kept, said = changes_of(1)

    assert free == 6 * 24 - 1
    assert kept < 2 * 24
    assert any("changes overdrawn" in reason for reason in said)


def test_a_rise_makes_spare_replicas_count_anew_and_the_words_say_how_far_it_is() -> None:
    terms = Terms(max_replicas=64, headroom=0, slack=0, hold_s=0, spare_s=600)
    past: dict[str, tuple[Need, ...]] = {}
    told = []
    for tick, load in enumerate([4, 4, 12, 4, 4]):
        demand = Demand(terms, 10 if tick < 3 else 12, load=load)
        decision = decide(Snapshot(10.0 * tick, {"image": demand}, past=past))
        past = decision.past
        told.append(explain.changes(decision.choices["image"])[1])

    assert told[1] == "shrinks once 540 more replica-seconds were spare"
    assert told[2] == "shrinks once 600 more replica-seconds were spare"
    assert told[4] == "shrinks once 440 more replica-seconds were spare"
    assert "160 of 600 replica-seconds spare" in explain.reason(decision.choices["image"])
