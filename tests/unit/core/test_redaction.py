import logging

import pytest

from models.core.redaction import URL_FILTER, origin_of, redacted_headers, redacted_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b?page=2", "https://a.example/b?page=2"),
        ("https://u:p@a.example:8443/b#c", "https://a.example:8443/b"),
        ("https://a.example/?api_key=s&key=s&Token=s", "https://a.example/?api_key=***&key=***&Token=***"),
        ("https://a.example/?X-Amz-Signature=s&sig=s&secret=", "https://a.example/?X-Amz-Signature=***&sig=***&secret=***"),
        ("https://[broken", "***"),
    ],
)  # fmt: skip
def test_urls(url, shown):
    assert redacted_url(url) == shown


def test_headers():
    headers = {
        "Authorization": "s",
        "X-API-Key": "s",
        "Cookie": "s",
        "x-cg-demo-api-key": "s",
        "Accept": "a",
    }
    hidden = redacted_headers(headers)

    assert hidden.pop("Accept") == "a"
    assert set(hidden.values()) == {"***"}


def test_an_origin_has_no_path():
    assert origin_of("https://u:p@hooks.example/services/secret?a=b") == "https://hooks.example"


def test_log_records_keep_the_origin_of_urls():
    record = logging.LogRecord("a", 20, "a", 1, "%s %s %d", ("GET", "https://a.example/s", 7), None)

    assert URL_FILTER.filter(record)
    assert record.getMessage() == "GET https://a.example 7"
