import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.image.scene.brief import Placement
from models.image.scene.layout import obeys, solve

DIRECTED = ("left", "right", "front", "behind", "near", "on")
radius = st.floats(0.12, 1.2)
seeds = st.integers(0, 2**31)


def start(count, seed):
    return np.random.default_rng(seed).normal(0, 0.8, (count, 2))


def overlaps(layout, radii):
    standing = [i for i, support in enumerate(layout.supports) if support is None]
    return [
        (i, j)
        for i in standing
        for j in standing
        if i < j and np.linalg.norm(layout.positions[i] - layout.positions[j]) < radii[i] + radii[j]
    ]


@given(st.lists(radius, min_size=1, max_size=6), seeds)
@settings(max_examples=30, deadline=None)
def test_nothing_overlaps(radii, seed):
    radii = np.array(radii)

    layout = solve(radii, start(len(radii), seed), ())

    assert overlaps(layout, radii) == []
    assert np.abs(layout.positions).max() < 6


@given(st.lists(radius, min_size=2, max_size=5), st.sampled_from(DIRECTED), seeds)
@settings(max_examples=30, deadline=None)
def test_a_stated_relation_holds(radii, relation, seed):
    radii, placement = np.array(radii), Placement(0, relation, (1,))

    layout = solve(radii, start(len(radii), seed), (placement,))

    assert obeys(layout, radii * layout.scales, placement)
    assert overlaps(layout, radii * layout.scales) == []


@given(st.lists(radius, min_size=3, max_size=5), seeds)
@settings(max_examples=30, deadline=None)
def test_what_is_between_stays_between(radii, seed):
    radii, placement = np.array(radii), Placement(0, "between", (1, 2))

    layout = solve(radii, start(len(radii), seed), (placement,))

    assert obeys(layout, radii, placement)


@given(radius, st.integers(1, 5), seeds)
@settings(max_examples=30, deadline=None)
def test_guests_share_the_top_of_their_support(below, guests, seed):
    radii = np.array([below, *[0.4] * guests])
    placements = tuple(Placement(i, "on", (0,)) for i in range(1, guests + 1))

    layout = solve(radii, start(len(radii), seed), placements)
    scaled = radii * layout.scales

    apart = [
        np.linalg.norm(layout.positions[i] - layout.positions[j]) - scaled[i] - scaled[j]
        for i in range(1, guests + 1)
        for j in range(1, i)
    ]
    assert all(gap >= -1e-9 for gap in apart)
    assert layout.supports == (None, *[0] * guests)


def test_objects_that_rest_on_each_other_do_not_circle():
    placements = (Placement(0, "on", (1,)), Placement(1, "on", (0,)))

    layout = solve(np.array([0.4, 0.4]), np.zeros((2, 2)), placements)

    assert layout.supports == (1, None)


def test_a_row_stands_in_line():
    layout = solve(np.full(4, 0.4), start(4, 0), (), "row")

    assert np.ptp(layout.positions[:, 1]) < 1e-6
    assert np.all(np.diff(layout.positions[:, 0]) > 0.8)


def test_the_group_is_centred():
    layout = solve(np.full(3, 0.4), start(3, 1) + 5, ())

    centre = (layout.positions.min(0) + layout.positions.max(0)) / 2
    assert np.allclose(centre, 0)


def test_a_small_thing_behind_a_large_one_peeks_out():
    layout = solve(np.array([0.2, 0.8]), np.zeros((2, 2)), (Placement(0, "behind", (1,)),))

    small, large = layout.positions
    assert abs(small[0] - large[0]) > 0.35
    assert small[1] > large[1]
