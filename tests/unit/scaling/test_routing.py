"""Where requests go: to whoever is done first, a load of the model included."""

from hypothesis import given
from hypothesis import strategies as st

from models.scaling.routing import Place, ranked

places = st.lists(st.builds(Place, st.booleans(), st.integers(0, 20)), min_size=1, max_size=12)
seconds = st.floats(0.01, 1e3)


def best(*found: Place, load_s: float = 30.0, ahead: int = 0, waited_s: float = 0.0) -> list[int]:
    return ranked(found, service_s=10, load_s=load_s, ahead=ahead, waited_s=waited_s)[0]


def test_a_busy_holder_is_waited_for_as_long_as_a_load_takes_longer() -> None:
    idle = Place(holds=False, in_hand=0)

    assert best(Place(holds=True, in_hand=2), idle) == [0]
    assert best(Place(holds=True, in_hand=3), idle) == [0, 1]
    assert best(Place(holds=True, in_hand=4), idle) == [1]
    assert best(Place(holds=True, in_hand=1), idle, ahead=3) == [1]
    assert best(Place(True, 1), Place(True, 1), idle, ahead=3) == [0, 1]
    assert best(Place(holds=True, in_hand=1), idle, load_s=1) == [1]


def test_among_those_who_hold_it_the_least_busy_takes_it() -> None:
    assert best(Place(True, 2), Place(True, 1), Place(False, 0), Place(True, 1)) == [1, 3]


def test_where_a_model_is_loaded_as_few_as_can_be_make_room() -> None:
    found = [Place(False, 0, models=2), Place(False, 0, models=1), Place(False, 1, models=0)]

    assert ranked(found, service_s=10, load_s=30, ahead=0, waited_s=0) == [[1], [0]]


def test_nobody_waits_longer_than_another_place_would_have_taken() -> None:
    both = Place(holds=True, in_hand=1), Place(holds=False, in_hand=0)

    assert ranked(both, service_s=10, load_s=30, ahead=0, waited_s=39) == [[0]]
    assert ranked(both, service_s=10, load_s=30, ahead=0, waited_s=40) == [[0], [1]]


def test_before_anything_was_measured_holders_come_first_and_nobody_waits() -> None:
    found = Place(False, 0), Place(True, 5), Place(True, 4), Place(False, 3)

    assert ranked(found, service_s=0, load_s=0, ahead=0, waited_s=0) == [[2], [1], [0], [3]]


@given(places, seconds, seconds, st.integers(0, 5), st.floats(0, 1e5))
def test_every_rank_is_of_places_and_none_is_named_twice(
    found: list[Place], service_s: float, load_s: float, ahead: int, waited_s: float
) -> None:
    ranks = ranked(found, service_s=service_s, load_s=load_s, ahead=ahead, waited_s=waited_s)
    named = [n for rank in ranks for n in rank]

    assert ranks[0]
    assert len(set(named)) == len(named)
    assert set(named) <= set(range(len(found)))
    long = ranked(found, service_s=service_s, load_s=load_s, ahead=ahead, waited_s=1e9)
    assert sorted(n for rank in long for n in rank) == list(range(len(found)))
