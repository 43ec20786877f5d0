"""Byte ranges: RFC 9110, section 14."""

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_SPECS = 100
"""A header with more ranges is ignored before any work is done."""

MOST_PARTS = 16

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_MOST_DIGITS = 18  # beyond any size; also keeps int() away from digits without end


class ByteRange(NamedTuple):
    """A range that lies within the representation; `end` is exclusive."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes it covers."""
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """Value of `Content-Range`."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_ranges(header: str, size: int) -> tuple[ByteRange, ...] | None:
    """Ranges that can be satisfied, in the order asked for, overlapping ones joined.

    Args:
        header: Value of `Range`.
        size: Bytes of the selected representation.

    Returns:
        Empty if none can be satisfied (416); `None` if the header is to be ignored (200): another
        unit, not the grammar, too many parts, or nothing that a 206 could say.
    """
    unit, equals, text = header.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes" or text.count(",") >= MOST_SPECS:
        return None
    specs = [spec.strip(" \t") for spec in text.split(",")]
    found = []
    for spec in filter(None, specs):
        match = _SPEC.fullmatch(spec)
        if match is None:
            return None
        resolved = _resolve(match[1], match[2], size)
        if resolved is None:
            return None
        found.append(resolved)
    if not found:
        return None
    joined = join_overlaps([item for item in found if item.length > 0])
    return joined if len(joined) <= MOST_PARTS else None


def join_overlaps(ranges: Sequence[ByteRange]) -> tuple[ByteRange, ...]:
    """Join ranges that overlap or touch; each stands where its first piece stood."""
    joined: list[ByteRange] = []
    for item in ranges:
        merged, place = item, len(joined)
        for index in range(len(joined) - 1, -1, -1):
            other = joined[index]
            if other.start <= merged.end and merged.start <= other.end:
                merged = ByteRange(min(other.start, merged.start), max(other.end, merged.end))
                del joined[index]
                place = index
        joined.insert(place, merged)
    return tuple(joined)


def _resolve(first: str, last: str, size: int) -> ByteRange | None:
    """An empty range where it cannot be satisfied; `None` where it makes the header invalid."""
    nothing = ByteRange(size, size)
    if not first and not last:
        return None
    if not first:
        suffix = _number(last)
        if suffix and not size:
            return None  # satisfiable, but Content-Range has no way to say "zero bytes"
        return ByteRange(max(size - suffix, 0), size) if suffix else nothing
    start, end = _number(first), _number(last) + 1 if last else size
    if last and end <= start:
        return None
    return ByteRange(start, min(end, size)) if start < size else nothing


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    return 10**_MOST_DIGITS if len(significant) > _MOST_DIGITS else int(significant or "0")
