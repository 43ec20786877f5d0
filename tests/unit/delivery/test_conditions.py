from datetime import UTC, datetime, timedelta

import pytest

from models.delivery.conditions import (
    failed_precondition,
    http_date,
    parse_http_date,
    range_applies,
)

MODIFIED = datetime(1994, 11, 6, 8, 49, 37, 500_000, tzinfo=UTC)
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = http_date(MODIFIED - timedelta(seconds=1))
LATER = http_date(MODIFIED + timedelta(seconds=1))


@pytest.mark.parametrize(
    "text", [SAME, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_all_three_date_forms_are_read(text):
    assert parse_http_date(text) == MODIFIED.replace(microsecond=0)


@pytest.mark.parametrize(
    "text", ["", "0", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, \x00"]
)
def test_no_date_is_none(text):
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"if-match": '"a"'}, None),
        ({"if-match": '"b", "a"'}, None),
        ({"if-match": "*"}, None),
        ({"if-match": 'W/"a"'}, 412),
        ({"if-match": '"a-gzip"'}, 412),
        ({"if-match": ""}, 412),
        ({"if-match": '"a"', "if-unmodified-since": EARLIER}, None),
        ({"if-unmodified-since": SAME}, None),
        ({"if-unmodified-since": EARLIER}, 412),
        ({"if-unmodified-since": "never"}, None),
        ({"if-none-match": '"a"'}, 304),
        ({"if-none-match": 'W/"a"'}, 304),
        ({"if-none-match": '"x,y", "a"'}, 304),
        ({"if-none-match": '"b"', "if-modified-since": LATER}, None),
        ({"if-modified-since": SAME}, 304),
        ({"if-modified-since": LATER}, 304),
        ({"if-modified-since": EARLIER}, None),
        ({"if-modified-since": "never"}, None),
        ({"if-match": '"b"', "if-none-match": '"a"'}, 412),
        ({"if-match": '"a"', "if-none-match": '"a"'}, 304),
    ],
)
def test_preconditions_in_their_order(headers, status):
    assert failed_precondition(headers, '"a"', MODIFIED) == status


@pytest.mark.parametrize(
    ("value", "codings", "applies"),
    [
        ('"a"', 2, True),
        ('"b"', 1, False),
        ('W/"a"', 1, False),
        ('"a", "b"', 1, False),
        ("*", 1, False),
        (SAME, 1, True),
        (LATER, 1, False),
        (SAME, 2, False),
        ("", 1, False),
    ],
)
def test_if_range(value, codings, applies):
    assert range_applies({"if-range": value}, '"a"', MODIFIED, codings=codings) is applies
