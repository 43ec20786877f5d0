"""Answers that hold for a while, repeated by the gateway itself: the way to a replica is saved.

An entry of the catalogue declares until when an answer holds. It is repeated to the same owner, for
the same request, while the same models are installed; tasks and watched runs are never answered
from here. RFC 9111 words it: `Cache-Control: private, max-age=…`, and `Age` on what is repeated.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from graphs.entry import Entry
from graphs.versions import Versions
from models.core.capability import Holding

MOST_BYTES: Final = 16 * 2**20
LONGEST_BYTES: Final = 2**17
"""Of one answer: a longer one, of many items, costs more to make than to fetch."""
MEDIA_TYPE: Final = "application/json"

Key = tuple[str, str, bytes]
"""Operation, owner and request."""


@dataclass(frozen=True)
class Kept:
    """An answer as it is repeated.

    Attributes:
        content: JSON.
        version: Of the models that made it.
        since_s: When it was made, Unix time.
        until_s: When it ceases to hold.
    """

    content: bytes
    version: str
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

    async def of(
        self,
        entry: Entry,
        asked: BaseModel,
        owner: str,
        request: Request,
        work: Callable[[], Awaitable[BaseModel]],
    ) -> BaseModel | Response:
        """The answer that is kept, or else the result of the work, which may then be kept."""
        if entry.holds is None:
            return await work()
        # Of the checked request: spelling, order of fields and defaults make no difference.
        content = asked.model_dump_json().encode()
        key = entry.name, owner, hashlib.blake2b(content, digest_size=32).digest()
        wishes = Wishes.of(request)
        kept = self._find(key, wishes)
        if kept is not None and await self._versions.of(entry.served_by) == kept.version:
            return kept.response(max(0.0, self._clock() - kept.since_s))
        # Asked at the same time: nobody waits longer because an answer may be kept.
        version = asyncio.ensure_future(self._versions.of(entry.served_by))
        try:
            result = await work()
        except BaseException:
            version.cancel()
            raise
        return self._answer(key, entry.holds, result, await version, wishes)

    def _find(self, key: Key, wishes: Wishes) -> Kept | None:
        """What is kept, if it still holds and is new enough for the caller."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        now_s = self._clock()
        if now_s >= kept.until_s:
            self._drop(key)
            return None
        if now_s - kept.since_s >= wishes.max_age_s:
            return None
        self._kept.move_to_end(key)
        return kept

    def _answer(
        self,
        key: Key,
        holds: Callable[[Any], Holding | None],
        result: BaseModel,
        version: str | None,
        wishes: Wishes,
    ) -> Response:
        content = result.model_dump_json().encode()
        holding = holds(result) if len(content) <= self._longest_bytes else None
        now_s = self._clock()
        if holding is None or holding.until_s <= now_s or version is None:
            return Response(content, media_type=MEDIA_TYPE)
        if wishes.store:
            again = holding.again.model_dump_json().encode()
            self._put(key, Kept(again, version, now_s, holding.until_s))
        return Kept(content, version, now_s, holding.until_s).response()

    def _put(self, key: Key, kept: Kept) -> None:
        if key in self._kept:
            self._drop(key)
        self._kept[key] = kept
        self._bytes += len(kept.content)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        self._bytes -= len(self._kept.pop(key).content)
