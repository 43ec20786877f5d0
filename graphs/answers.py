"""Answers that hold for a while, repeated by the gateway itself: the way to a replica is saved.

An entry of the catalogue declares until when an answer holds. It is repeated to the same owner, for
the same request, while the same models are installed; tasks and watched runs are never answered
from here. RFC 9111 words it: `Cache-Control: private, max-age=…`, and `Age` on what is repeated.
"""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from graphs.catalogue import Entry
from graphs.versions import Versions

MOST_BYTES: Final = 16 * 2**20
LONGEST_BYTES: Final = 2**17
"""Of one answer: a longer one, of many items, costs more to make than to fetch."""
MEDIA_TYPE: Final = "application/json"

Key = tuple[str, str, str, bytes]
"""Operation, owner, models and request."""


@dataclass(frozen=True)
class Kept:
    """An answer as it is repeated.

    Attributes:
        content: JSON.
        since_s: When it was made, Unix time.
        until_s: When it ceases to hold.
    """

    content: bytes
    since_s: float
    until_s: float

    def response(self, age_s: float | None = None) -> Response:
        """The answer over HTTP; with an age it is a repeated one."""
        fresh_s = max(0, math.floor(self.until_s - self.since_s))
        headers = {"Cache-Control": f"private, max-age={fresh_s}"}
        if age_s is not None:
            headers["Age"] = str(math.floor(age_s))
        return Response(self.content, headers=headers, media_type=MEDIA_TYPE)


@dataclass(frozen=True)
class Wishes:
    """What a caller's `Cache-Control` asks for, RFC 9111, section 5.2.1.

    Attributes:
        max_age_s: Oldest answer that is welcome.
        store: Whether the answer may be kept.
    """

    max_age_s: float
    store: bool

    @classmethod
    def of(cls, request: Request) -> "Wishes":
        """Of a request; what cannot be read means `no-cache`, which does no harm."""
        said = ",".join(request.headers.getlist("cache-control")).lower().split(",")
        words = dict(word.strip().partition("=")[::2] for word in said)
        age = words.get("max-age", "").strip('"')
        limit_s = math.inf
        if "max-age" in words:
            limit_s = float(age) if age.isascii() and age.isdigit() else 0.0
        if "no-cache" in words or "no-store" in words:
            limit_s = 0.0
        return cls(limit_s, "no-store" not in words)


class Answers:
    """Keeps answers of entries that declare how long they hold; for one event loop.

    Args:
        versions: Which models answer now.
        clock: Unix seconds.
        most_bytes: Kept in all; the answer that was wanted longest ago goes first.
        longest_bytes: Of one answer.
    """

    def __init__(
        self,
        versions: Versions,
        clock: Callable[[], float] = time.time,
        most_bytes: int = MOST_BYTES,
        longest_bytes: int = LONGEST_BYTES,
    ) -> None:
        self._versions, self._clock = versions, clock
        self._most_bytes, self._longest_bytes = most_bytes, longest_bytes
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes = 0

    async def key(self, entry: Entry, asked: BaseModel, owner: str) -> Key | None:
        """Where an answer is kept; none if it is not, or if nobody tells which models there are."""
        if entry.holds is None:
            return None
        version = await self._versions.of(entry.served_by)
        if version is None:
            return None
        # Of the checked request: spelling, order of fields and defaults make no difference.
        content = asked.model_dump_json().encode()
        return entry.name, owner, version, hashlib.blake2b(content, digest_size=32).digest()

    def find(self, key: Key, request: Request) -> Response | None:
        """The answer that is kept, if it still holds and is new enough for the caller."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        now_s = self._clock()
        if now_s >= kept.until_s:
            self._drop(key)
            return None
        age_s = max(0.0, now_s - kept.since_s)
        if age_s >= Wishes.of(request).max_age_s:
            return None
        self._kept.move_to_end(key)
        return kept.response(age_s)

    def keep(self, key: Key, entry: Entry, result: BaseModel, request: Request) -> Response:
        """The answer over HTTP, kept if it holds for a while."""
        assert entry.holds is not None  # noqa: S101 - otherwise there is no key
        content = result.model_dump_json().encode()
        holding = entry.holds(result) if len(content) <= self._longest_bytes else None
        now_s = self._clock()
        if holding is None or holding.until_s <= now_s:
            return Response(content, media_type=MEDIA_TYPE)
        if Wishes.of(request).store:
            self._put(key, Kept(holding.again.model_dump_json().encode(), now_s, holding.until_s))
        return Kept(content, now_s, holding.until_s).response()

    def _put(self, key: Key, kept: Kept) -> None:
        if key in self._kept:
            self._drop(key)
        self._kept[key] = kept
        self._bytes += len(kept.content)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        self._bytes -= len(self._kept.pop(key).content)
