"""Secrets stay out of logs and error messages."""

import logging
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

HIDDEN = "***"

_SECRET = re.compile(
    r"authorization|cookie|credential|password|passwd|secret|signature|token|key$|^sig$",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether a header or a query parameter of that name carries a secret."""
    return _SECRET.search(name) is not None


def redacted_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the values of secret ones hidden."""
    return {name: HIDDEN if is_secret(name) else value for name, value in headers.items()}


def redacted_url(url: str) -> str:
    """A URL without user, fragment and the values of secret parameters."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return HIDDEN
    shown = [(name, HIDDEN if is_secret(name) else value) for name, value in query]
    text = urlencode(shown, safe="*/:,", quote_via=quote)
    return urlunsplit((parts.scheme, host, parts.path, text, ""))


def origin_of(url: str) -> str:
    """Scheme and host alone: the path of a caller's URL may itself be a secret."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return HIDDEN


class UrlFilter(logging.Filter):
    """Cuts every URL of a library's log records down to its origin; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the arguments that are URLs."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                origin_of(str(item)) if "://" in str(item) else item for item in record.args
            )
        return True


URL_FILTER = UrlFilter()
"""One instance, so that adding it twice changes nothing."""
