"""What is loaded ahead: closed forms of the placement, and what no advice may do."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scaling.ahead import QUIET_S, Placement, Report
from models.scaling.forecast import DAY_S
from models.scaling.placement import copies, missing


@dataclass
class Replica:
    """A replica that does as it is advised, at once."""

    name: str
    places: int
    held: list[str] = field(default_factory=list)

    def report(self, **fields: object) -> Report:
        return Report(self.places, tuple(self.held), **fields)  # type: ignore[arg-type]

    def follow(self, placement: Placement, now_s: float = 0.0) -> str | None:
        """Report, and load what is advised."""
        advice = placement.advise(self.name, self.report(), now_s)
        if advice.load is not None:
            if len(self.held) == self.places:
                self.held.remove(advice.spare[0])
            self.held.append(advice.load)
        return advice.load


def fleet(count: int, places: int) -> list[Replica]:
    return [Replica(str(number), places) for number in range(count)]


def asked(replica: Replica, placement: Placement, busy: float = 0.0, **times: int) -> None:
    placement.advise(replica.name, replica.report(asked=times, busy=busy, loading="-"), 0.0)


def test_what_is_missing_is_what_is_wanted_and_neither_held_nor_coming() -> None:
    assert missing({"a": 3, "b": 1}, {"a": 1}, {"a": 1}) == ["a", "b"]
    assert missing({"a": 1}, {"a": 2}, {}) == []


def test_the_one_model_that_is_asked_for_is_loaded_wherever_there_is_a_place() -> None:
    placement, replicas = Placement(0.0), fleet(3, 2)
    asked(replicas[0], placement, a=5)

    assert [one.follow(placement) for one in replicas * 2] == ["a", "a", "a", None, None, None]


def test_two_replicas_that_look_at_the_same_time_do_not_load_the_same() -> None:
    placement, replicas = Placement(0.0), fleet(2, 1)
    asked(replicas[0], placement, a=3, b=1)
    advised = [placement.advise(one.name, one.report(), 0.0).load for one in replicas]

    assert advised == ["a", "b"]


def test_a_surplus_gives_way_only_to_what_helps_clearly_more() -> None:
    for times, load in ((9, None), (10, None), (20, "b")):
        placement, (replica,) = Placement(0.0), fleet(1, 1)
        replica.held = ["a"]
        asked(replica, placement, a=9, b=times)

        assert replica.follow(placement) == load


def test_what_is_not_in_surplus_stays_while_it_is_wanted() -> None:
    placement, (one, other) = Placement(0.0), fleet(2, 1)
    one.held, other.held = ["a"], ["b"]
    for replica in (one, other):
        asked(replica, placement, a=2, b=2, c=1)

    assert [one.follow(placement), other.follow(placement)] == [None, None]


def test_who_says_nothing_is_forgotten_with_what_it_held_and_loaded() -> None:
    placement, (silent, other) = Placement(0.0), fleet(2, 1)
    silent.held, other.held = ["a"], ["b"]
    asked(silent, placement, a=3, b=1)
    early, late = (
        placement.advise(other.name, other.report(), now_s).load for now_s in (1.0, QUIET_S + 1)
    )

    assert (early, late) == (None, "a")


def test_what_cannot_be_loaded_is_left_to_others() -> None:
    placement, (one, other) = Placement(0.0), fleet(2, 1)
    asked(other, placement, a=1)
    refused = placement.advise(one.name, one.report(refused=frozenset({"a"})), 0.0)

    assert refused.load is None
    assert other.follow(placement) == "a"


def test_who_loads_is_advised_nothing_further() -> None:
    placement, (replica,) = Placement(0.0), fleet(1, 2)
    asked(replica, placement, a=2, b=1)

    assert placement.advise("0", replica.report(loading="a"), 0.0).load is None
    assert replica.follow(placement) == "a"


def test_the_plan_is_told_in_words() -> None:
    placement, replicas = Placement(0.0), fleet(3, 1)
    replicas[0].held = ["a"]
    asked(replicas[2], placement, a=17, b=3)
    placement.advise("0", replicas[0].report(), 0.0)
    placement.advise("1", replicas[1].report(loading="b"), 0.0)
    placement.advise("2", replicas[2].report(), 0.0)
    told = {one.name: one for one in placement.kept(0.0)}

    assert list(told) == ["a", "b"]
    assert (told["a"].wanted, told["a"].held, told["a"].loading) == (2, 1, 1)
    assert told["a"].reason == (
        "2 copies wanted, asked for by 85% of the requests lately; 1 held, 1 loading"
    )
    assert told["b"].reason.startswith("1 copy wanted, asked for by 15%")
    assert placement.kept(60 * DAY_S) == ()


def held_by(replicas: list[Replica]) -> Counter[str]:
    return Counter(name for one in replicas for name in one.held)


@settings(max_examples=20)
@given(
    weights=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    count=st.integers(1, 4),
    places=st.integers(1, 3),
    busy=st.floats(0, 1),
    data=st.data(),
)
def test_each_load_helps_more_than_what_it_displaces_until_nothing_is_left_to_gain(
    weights: list[int], count: int, places: int, busy: float, data: st.DataObject
) -> None:
    placement, replicas = Placement(0.0), fleet(count, places)
    names = "abcde"[: len(weights)]
    for one in replicas:
        some = st.lists(st.sampled_from([*names, "old"]), max_size=places, unique=True)
        one.held = data.draw(some)
    began_empty = not any(one.held for one in replicas)
    for one in replicas:
        asked(one, placement, busy, **dict(zip(names, weights, strict=True)))
    plan = placement._plan(0.0)

    def worth(held: Mapping[str, int]) -> float:
        return sum(
            plan.shares.get(name, 0.0) * plan.busy**n
            for name, several in held.items()
            for n in range(several)
        )

    for one in replicas * (places * len(weights) + 1):
        before = worth(held_by(replicas))
        one.follow(placement)
        assert len(one.held) == len(set(one.held)) <= places
        assert worth(held_by(replicas)) >= before

    assert all(one.follow(placement) is None for one in replicas)
    if began_empty:
        best = copies(plan.shares, count, places, plan.busy)
        assert worth(held_by(replicas)) == pytest.approx(worth(best))
