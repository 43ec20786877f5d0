from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.delivery.ranges import MOST_PARTS, ByteRange, join_overlaps, parse_ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", [(0, 10)]),
        ("Bytes=90-", [(90, 100)]),
        ("bytes=-1", [(99, 100)]),
        ("bytes=-500", [(0, 100)]),
        ("bytes=99-99999999999999999999999999", [(99, 100)]),
        ("bytes=00000000000000000000000000001-1", [(1, 2)]),
        ("bytes= 0-0 ,, 5-5", [(0, 1), (5, 6)]),
        ("bytes=50-59,0-9", [(50, 60), (0, 10)]),
        ("bytes=0-9,10-19", [(0, 20)]),
        ("bytes=0-9,50-59,5-54", [(0, 60)]),
        ("bytes=0-9,100-", [(0, 10)]),
        ("bytes=100-", []),
        ("bytes=-0", []),
    ],
)
def test_ranges_of_one_hundred_bytes(header, expected):
    assert parse_ranges(header, 100) == tuple(expected)


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=9-0", "bytes=a-b", "lines=0-9",
     "bytes=0-9;1", "bytes=0--9", "bytes=+1-2", "bytes=1_0-20", "bytes=\u0661-2", "bytes=0-9,x",
     "bytes=" + ",".join("0-0" for _ in range(101)), "bytes=" + "9" * 5000 + "-0"],
)  # fmt: skip
def test_malformed_headers_are_ignored(header):
    assert parse_ranges(header, 100) is None


def test_many_parts_are_ignored():
    header = "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(MOST_PARTS + 1))

    assert parse_ranges(header, 100) is None


def test_an_empty_asset_has_no_range():
    assert parse_ranges("bytes=0-", 0) == ()
    assert parse_ranges("bytes=-5", 0) is None


SPANS = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda s: ByteRange(s[0], sum(s)))


@given(st.lists(SPANS, max_size=12))
def test_joining_keeps_every_byte_and_leaves_gaps_between_parts(spans):
    joined = join_overlaps(spans)

    assert _bytes(joined) == _bytes(spans)
    ordered = sorted(joined)
    assert all(a.end < b.start for a, b in pairwise(ordered))


@given(st.text("bytes=0123456789-, ", max_size=30), st.integers(0, 50))
def test_whatever_is_asked_for_lies_within_the_asset(header, size):
    for item in parse_ranges(header, size) or ():
        assert 0 <= item.start < item.end <= size


def _bytes(ranges):
    return {i for r in ranges for i in range(r.start, r.end)}
