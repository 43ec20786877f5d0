"""Texts about coins: where they stand, when, and which of them say the same."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

ALIKE = 0.8
"""Part of their words that two texts share when one repeats the other."""
LONGEST = 600


@dataclass(frozen=True)
class Text:
    """What somebody published.

    Attributes:
        source: Of which feed.
        title: What is classified, with the start of the body where there is one.
        body: May be empty.
        link: Where it stands.
        at_s: Unix time.
    """

    source: str
    title: str
    body: str
    link: str | None
    at_s: float

    @property
    def content(self) -> str:
        """What is read of it."""
        return f"{self.title}. {self.body}"[:LONGEST] if self.body else self.title[:LONGEST]

    def as_json(self) -> dict[str, str | float | None]:
        """What `Text(**...)` takes back."""
        return asdict(self)


def without_repeats(texts: Iterable[Text]) -> list[Text]:
    """One of each group that says the same, the oldest; newest first."""
    kept: list[tuple[frozenset[str], Text]] = []
    links: set[str] = set()
    for text in sorted(texts, key=lambda each: each.at_s):
        words = words_of(text.title)
        if text.link in links or any(_alike(words, known) for known, _ in kept):
            continue
        if text.link:
            links.add(text.link)
        kept.append((words, text))
    return [text for _, text in reversed(kept)]


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case."""
    return frozenset(re.findall(r"[a-z0-9$]+", text.lower()))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    if not one or not other:
        return one == other
    return len(one & other) >= ALIKE * len(one | other)
