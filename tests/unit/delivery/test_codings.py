from datetime import UTC, datetime

import pytest

from models.delivery.codings import accepts_gzip, choose_encoding
from models.delivery.representation import Representation

TEXT = Representation(
    id="a" * 64,
    media_type="text/plain",
    size_bytes=5000,
    gzip_bytes=900,
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    filename="a.txt",
)
GZIP_TAG = TEXT.etag("gzip")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip; q=0.5, identity", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=0, *;q=0.1", True),
        ("br", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=2", False),
    ],
)
def test_accept_encoding(header, accepted):
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    ("headers", "encoding"),
    [
        ({}, "gzip"),
        ({"range": "bytes=0-9"}, "identity"),
        ({"range": "bytes=0-9", "if-range": GZIP_TAG}, "gzip"),
        ({"range": "bytes=0-9", "if-match": GZIP_TAG}, "gzip"),
        ({"range": "bytes=0-9", "if-range": TEXT.etag("identity")}, "identity"),
        ({"range": "bytes=0-9", "if-match": "*"}, "identity"),
    ],
)
def test_a_range_is_of_the_form_that_the_client_holds(headers, encoding):
    assert choose_encoding({"accept-encoding": "gzip", **headers}, TEXT) == encoding
