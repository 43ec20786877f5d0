"""RSS and Atom, read without ever expanding what a document declares.

A document type is refused before its first entity can be defined, so that neither entity bombs nor
references to files and addresses exist here.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from xml.parsers import expat  # document types are refused

from models.core.errors import UpstreamUnavailable
from models.crypto.sentiment.texts import LONGEST, Text

MOST = 200
ITEMS = frozenset({"item", "entry"})
DATES = ("pubdate", "published", "date", "updated")
_TAGS = re.compile(r"<[^>]*>")


class _Refused(Exception):
    """The document declares a type."""


@dataclass
class _Reader:
    """Collects the fields of every item."""

    items: list[dict[str, str]] = field(default_factory=list)
    item: dict[str, str] | None = None
    name: str = ""
    words: list[str] = field(default_factory=list)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        if name in ITEMS:
            self.item = {}
        elif self.item is not None and name == "link" and "href" in attributes:
            kind = "link" if attributes.get("rel", "alternate") == "alternate" else "other link"
            self.item[kind] = attributes["href"]
        self.name, self.words = name, []

    def text(self, words: str) -> None:
        if self.item is not None and sum(map(len, self.words)) < 8 * LONGEST:
            self.words.append(words)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if name in ITEMS and self.item is not None:
            self.items.append(self.item)
            self.item = None
        elif self.item is not None and name == self.name and self.words:
            self.item.setdefault(name, "".join(self.words).strip())
        self.name = ""


def parse_feed(content: bytes, source: str, now_s: float) -> list[Text]:
    """The items of a feed that carry a title and a date that is not to come.

    Raises:
        UpstreamUnavailable: It is not XML, or declares a document type.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except _Refused as error:
        raise UpstreamUnavailable(f"{source} sent a feed with a document type") from error
    except (expat.ExpatError, ValueError) as error:
        raise UpstreamUnavailable(f"{source} sent something that is not a feed") from error
    texts = []
    for item in reader.items[:MOST]:
        title, at_s = plain(item.get("title", "")), _moment_s(item)
        if title and at_s is not None and at_s <= now_s + 3600:
            body = plain(item.get("description") or item.get("summary") or "")
            texts.append(Text(source, title[:LONGEST], body[:LONGEST], _link(item), at_s))
    return texts


def plain(text: str) -> str:
    """Without tags and entities, on one line."""
    return " ".join(_TAGS.sub(" ", unescape(text)).split())


def _link(item: dict[str, str]) -> str | None:
    link = item.get("link", "").split("?")[0]
    return link if link.startswith(("http://", "https://")) else None


def _refuse(*_: object) -> None:
    raise _Refused


def _local(tag: str) -> str:
    return tag.rpartition(":")[2].lower()


def _moment_s(item: dict[str, str]) -> float | None:
    for name in DATES:
        said = item.get(name)
        if not said:
            continue
        for read in (parsedate_to_datetime, datetime.fromisoformat):
            try:
                moment = read(said)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
