"""Conditional requests: RFC 9110, section 13."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_ETAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_DATE = re.compile(r"[A-Z][a-z]{2,8},? .{4,40}")


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def parse_http_date(text: str) -> datetime | None:
    """A date in any of the three forms of RFC 9110, section 5.6.7; `None` if it is not one."""
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def names_strongly(header: str, etag: str) -> bool:
    """Whether `*` or a strong tag of the list is this tag (section 8.8.3.2)."""
    return header == "*" or any(not weak and tag == etag for weak, tag in _ETAG.findall(header))


def names_weakly(header: str, etag: str) -> bool:
    """Whether `*` or any tag of the list is this tag, weak or not."""
    return header == "*" or any(tag == etag for _, tag in _ETAG.findall(header))


def failed_precondition(
    headers: Mapping[str, str], etag: str, last_modified: datetime
) -> int | None:
    """Evaluate the preconditions of a GET or HEAD in the order of section 13.2.2.

    Args:
        headers: Of the request, names in lower case.
        etag: Of the selected representation.
        last_modified: Of the selected representation.

    Returns:
        412 or 304, or `None` if the request goes on.
    """
    modified = last_modified.replace(microsecond=0)
    if (if_match := headers.get("if-match")) is not None:
        if not names_strongly(if_match, etag):
            return 412
    elif (since := parse_http_date(headers.get("if-unmodified-since", ""))) and modified > since:
        return 412
    if (if_none_match := headers.get("if-none-match")) is not None:
        return 304 if names_weakly(if_none_match, etag) else None
    since = parse_http_date(headers.get("if-modified-since", ""))
    return 304 if since and modified <= since else None


def range_applies(
    headers: Mapping[str, str], etag: str, last_modified: datetime, *, codings: int
) -> bool:
    """Whether `If-Range` lets `Range` take effect (section 13.1.5).

    A date is trusted only where the asset has one coding: both carry the same date, and bytes of
    one must never be joined to bytes of the other.
    """
    value = headers.get("if-range")
    if value is None:
        return True
    if match := _ETAG.fullmatch(value):
        return not match[1] and match[2] == etag
    return codings == 1 and parse_http_date(value) == last_modified.replace(microsecond=0)
