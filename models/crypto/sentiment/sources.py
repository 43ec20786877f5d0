"""Who is asked for texts: feeds, Reddit, and the Fear & Greed index."""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, Protocol
from urllib.parse import urljoin, urlsplit

from models.core.errors import UpstreamUnavailable
from models.core.outbound import OutboundClient, Reply
from models.crypto.sentiment.feeds import parse_feed, plain
from models.crypto.sentiment.texts import LONGEST, Text

MOVED = (301, 302, 307, 308)
HOPS = 3


class TextSource(Protocol):
    """Somebody who publishes texts."""

    @property
    def name(self) -> str:
        """As shown."""
        ...

    def fetch(self, now_s: float) -> list[Text]:
        """The newest texts; raises `CapabilityError`."""
        ...


@dataclass(frozen=True)
class Feed:
    """An RSS or Atom feed.

    Attributes:
        name: As shown.
        url: Of the feed; it may move within its site.
        client: Asks.
    """

    name: str
    url: str
    client: OutboundClient

    def fetch(self, now_s: float) -> list[Text]:
        """Its items.

        Raises:
            UpstreamUnavailable: It does not answer, or with something else.
        """
        return parse_feed(self._get().body, self.name, now_s)

    def _get(self) -> Reply:
        url = self.url
        for _ in range(HOPS):
            reply = self.client.request("GET", url, accept=MOVED)
            if reply.status not in MOVED:
                return reply
            target = urljoin(url, reply.headers.get("location", ""))
            if _site(target) != _site(self.url):
                break
            url = target
        raise UpstreamUnavailable(f"{self.name} has moved away; give the address it leads to")


def _site(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").removeprefix("www.")


@dataclass
class Reddit:
    """New posts of subreddits by an app's own OAuth token; nothing is read without one.

    Attributes:
        client_id: Of the app.
        client_secret: The same.
        subreddits: Where to look.
        urls: `www` for tokens, `oauth` for posts.
        client: Asks.
        clock: Monotonic seconds.
    """

    client_id: str
    client_secret: str = field(repr=False)
    subreddits: Sequence[str]
    urls: Mapping[Literal["oauth", "www"], str]
    client: OutboundClient
    clock: Callable[[], float] = time.monotonic
    name: str = "reddit"
    _token: str = field(default="", repr=False)
    _expires_s: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def fetch(self, now_s: float) -> list[Text]:
        """The newest posts of all subreddits.

        Raises:
            UpstreamUnavailable: Reddit does not answer, or refuses the app.
            CapacityExceeded: It asks to come back later.
        """
        url = f"{self.urls['oauth']}/r/{'+'.join(self.subreddits)}/new"
        headers = {"Authorization": f"Bearer {self._valid_token()}"}
        reply = self.client.request(
            "GET", url, headers=headers, params={"limit": "100", "raw_json": "1"}, accept=(401,)
        )
        if reply.status == 401:
            self._expires_s = 0.0
            raise UpstreamUnavailable("reddit no longer takes the token; the next try asks anew")
        try:
            posts = [child["data"] for child in reply.json()["data"]["children"]]
            return [_post(each) for each in posts if float(each["created_utc"]) <= now_s]
        except (KeyError, TypeError, ValueError) as error:
            raise UpstreamUnavailable("reddit answered something that is not posts") from error

    def _valid_token(self) -> str:
        with self._lock:
            if self.clock() < self._expires_s:
                return self._token
            pair = f"{self.client_id}:{self.client_secret}".encode()
            reply = self.client.request(
                "POST",
                f"{self.urls['www']}/api/v1/access_token",
                headers={
                    "Authorization": f"Basic {base64.b64encode(pair).decode()}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                content=b"grant_type=client_credentials",
                accept=(401,),
            )
            if reply.status == 401:
                raise UpstreamUnavailable("reddit refuses the app: check reddit_client_id")
            answer = reply.json()
            try:
                self._token = str(answer["access_token"])
                self._expires_s = self.clock() + float(answer["expires_in"]) - 60
            except (KeyError, TypeError, ValueError) as error:
                raise UpstreamUnavailable("reddit gave no token") from error
            return self._token


def _post(data: dict[str, object]) -> Text:
    return Text(
        source="reddit",
        title=plain(str(data["title"]))[:LONGEST],
        body=plain(str(data.get("selftext", "")))[:LONGEST],
        link=f"https://www.reddit.com{data['permalink']}",
        at_s=float(str(data["created_utc"])),
    )


@dataclass(frozen=True)
class FearGreed:
    """The Fear & Greed index of alternative.me: one number a day, 0 (fear) to 100 (greed)."""

    url: str
    client: OutboundClient

    def fetch(self) -> tuple[int, str, float]:
        """Value, label and Unix time.

        Raises:
            UpstreamUnavailable: It does not answer, or with something else.
        """
        answer = self.client.request("GET", self.url).json()
        try:
            newest = answer["data"][0]
            value = int(newest["value"])
            label, at_s = str(newest["value_classification"])[:40], float(newest["timestamp"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UpstreamUnavailable("the index answered something else") from error
        if not 0 <= value <= 100:
            raise UpstreamUnavailable("the index answered a value that is none")
        return value, label, at_s
