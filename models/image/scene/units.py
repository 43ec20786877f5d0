"""A prompt as the reader sees it: units with encoder states and vocabulary tags."""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own abbreviation

from models.core.minilm import WIDTH, MiniLM, Pieces
from models.image.scene import phrases
from models.image.scene.lexicon import Entry, Kind, Lexicon, Unit
from models.image.shapes import SHAPE_NAMES

KINDS: tuple[Kind, ...] = (
    "object", "color", "material", "number", "size", "light", "view", "placing", "ground",
)  # fmt: skip
_FRAMES: dict[Kind, str] = {
    "object": "the shape of a {}", "color": "the colour {}", "material": "made of {}",
}  # fmt: skip
_INDEXED: dict[Kind, int] = {
    "number": phrases.MAX_COUNT + 1,
    "size": len(phrases.SIZE_NAMES),
    "light": len(phrases.LIGHT_NAMES),
    "view": len(phrases.VIEW_NAMES),
    "placing": len(phrases.PLACING_NAMES),
    "object": len(SHAPE_NAMES),
}
_FIRST = len(KINDS) + 2
_OFFSETS: dict[Kind, int] = {
    kind: _FIRST + before
    for kind, before in zip(_INDEXED, accumulate(_INDEXED.values(), initial=0), strict=False)
}
PLURAL, UNKNOWN = len(KINDS), len(KINDS) + 1
TAGS = _FIRST + sum(_INDEXED.values())
VOTERS = 3


@dataclass(frozen=True)
class Guess:
    """The vocabulary word nearest in meaning to an unknown one."""

    word: str
    entry: Entry
    similarity: float


@dataclass(frozen=True)
class Reading:
    """The units of one prompt.

    Attributes:
        units: In reading order.
        guesses: Per unit, what an unknown word may stand for, or how near an alias is to its shape.
        static: Input embeddings, `(units, 384)`.
        states: Contextual states, `(units, 384)`.
        tags: What the vocabulary says, `(units, TAGS)`.
    """

    units: list[Unit]
    guesses: list[dict[Kind, Guess]]
    static: Tensor
    states: Tensor
    tags: Tensor

    def entry(self, index: int, kind: Kind) -> Entry | None:
        """What a unit stands for if it is read as this kind."""
        unit = self.units[index]
        for known in (unit.entry, unit.color):
            if known is not None and known.kind == kind:
                return known
        guess = self.guesses[index].get(kind)
        return guess.entry if guess else None


def singular_of(word: str) -> str:
    """The likely singular of an unknown word."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


class Anchors:
    """The vocabulary as points in the encoder's space, to place unknown words among."""

    def __init__(self, lexicon: Lexicon, encoder: MiniLM, cache: Path | None = None) -> None:
        self._encoder = encoder
        tables: dict[Kind, dict[str, Entry]] = {
            "object": {w: e for w, e in lexicon.objects.items() if not e.plural},
            "color": {w: e for w, e in lexicon.colors.items() if " " not in w},
            "material": lexicon.materials,
        }
        self._tables = {kind: list(table.items()) for kind, table in tables.items()}
        self._centres: dict[Kind, Tensor] = {}
        self._points: dict[Kind, Tensor] = {}
        for kind, table in self._tables.items():
            framed = [_FRAMES[kind].format(word) for word, _ in table]
            points = encoder.embed_once(framed, cache)
            self._centres[kind] = points.mean(0)
            self._points[kind] = F.normalize(points - self._centres[kind], dim=-1)
        self._known: dict[str, dict[Kind, Guess]] = {}

    def nearest(self, words: list[str]) -> list[dict[Kind, Guess]]:
        """Per word, the nearest entry of each guessable kind other than the word itself."""
        new = sorted({singular_of(word) for word in words} - self._known.keys())
        if new:
            self._known |= {word: {} for word in new}
            for kind in self._points:
                for word, guess in zip(new, self._guess(kind, new), strict=True):
                    self._known[word][kind] = guess
        return [self._known[singular_of(word)] for word in words]

    def nearest_to(self, text: str) -> Guess:
        """The object nearest to a whole text."""
        return self._guess("object", [text])[0]

    def likeness(self, word: str, shape: int) -> float:
        """How near a known object's name is to that of a shape."""
        rows = {name: at for at, (name, _) in enumerate(self._tables["object"])}
        points = self._points["object"]
        here = rows.get(word, rows.get(singular_of(word)))
        there = rows[SHAPE_NAMES[shape]]
        return 0.0 if here is None else float(points[here] @ points[there])

    def _guess(self, kind: Kind, words: list[str]) -> list[Guess]:
        points = self._encoder.embed([_FRAMES[kind].format(word) for word in words])
        points = F.normalize(points - self._centres[kind], dim=-1)
        likeness = points @ self._points[kind].T  # (words, table)
        return [self._vote(kind, word, row) for word, row in zip(words, likeness, strict=True)]

    def _vote(self, kind: Kind, word: str, likeness: Tensor) -> Guess:
        """The nearest entry among those that its three nearest neighbours agree on."""
        best = likeness.topk(VOTERS + 2).indices.tolist()
        near = [(*self._tables[kind][at], float(likeness[at])) for at in best]
        near = [voter for voter in near if word not in (voter[0], singular_of(voter[0]))][:VOTERS]
        if kind != "object":
            return Guess(*near[0])
        votes: dict[int, float] = {}
        for _, entry, similarity in near:
            votes[entry.index] = votes.get(entry.index, 0) + max(similarity, 0) ** 4
        winner = max(votes, key=lambda index: votes[index])
        return next(Guess(*voter) for voter in near if voter[1].index == winner)


class UnitReader:
    """Turns prompts into readings.

    Args:
        lexicon: The vocabulary.
        encoder: Places unknown words near known ones.
        cache: Folder where the places of the known ones are kept from start to start.
    """

    def __init__(self, lexicon: Lexicon, encoder: MiniLM, cache: Path | None = None) -> None:
        self.lexicon = lexicon
        self.anchors = Anchors(lexicon, encoder, cache)
        self.encoder = encoder

    def read(self, prompts: list[str], forget: list[frozenset[str]] | None = None) -> list[Reading]:
        """Read prompts together.

        Args:
            prompts: Any texts.
            forget: Per prompt, words to treat as unknown.
        """
        forget = forget or [frozenset()] * len(prompts)
        split = [self.lexicon.split(p, f) for p, f in zip(prompts, forget, strict=True)]
        unknown = sorted({u.text for units in split for u in units if u.unknown})
        guesses = dict(zip(unknown, self.anchors.nearest(unknown), strict=True))
        pieces = self.encoder.read(prompts)
        return [
            _reading(units, [self._guesses(u, guesses) for u in units], piece)
            for units, piece in zip(split, pieces, strict=True)
        ]

    def _guesses(self, unit: Unit, guesses: dict[str, dict[Kind, Guess]]) -> dict[Kind, Guess]:
        if unit.entry is not None and unit.entry.alias:
            similarity = self.anchors.likeness(unit.text, unit.entry.index)
            return {"object": Guess(SHAPE_NAMES[unit.entry.index], unit.entry, similarity)}
        return guesses.get(unit.text, {}) if unit.unknown else {}


def _reading(units: list[Unit], guesses: list[dict[Kind, Guess]], pieces: Pieces) -> Reading:
    weights = torch.zeros(len(units), len(pieces.offsets))  # (units, pieces)
    for row, unit in enumerate(units):
        inside = [unit.start <= start < unit.end for start, _ in pieces.offsets]
        weights[row] = torch.tensor(inside, dtype=torch.float32)
    weights /= weights.sum(1, keepdim=True).clamp(min=1)
    tags = torch.zeros(len(units), TAGS)
    for row, (unit, guess) in enumerate(zip(units, guesses, strict=True)):
        tags[row] = _tags(unit, guess)
    static = weights @ pieces.static.float().reshape(-1, WIDTH)
    return Reading(units, guesses, static, weights @ pieces.states.float().reshape(-1, WIDTH), tags)


def _tags(unit: Unit, guesses: dict[Kind, Guess]) -> Tensor:
    tags = torch.zeros(TAGS)
    if unit.entry is not None:
        tags[KINDS.index(unit.entry.kind)] = 1
        tags[PLURAL] = unit.entry.plural
        if unit.entry.kind in _OFFSETS:
            tags[_OFFSETS[unit.entry.kind] + unit.entry.index] = 1
        if unit.color is not None:
            tags[KINDS.index("color")] = 1
    elif unit.unknown:
        tags[UNKNOWN] = 1
        tags[PLURAL] = singular_of(unit.text) != unit.text
        for kind, guess in guesses.items():
            tags[KINDS.index(kind)] = guess.similarity
        if "object" in guesses:
            tags[_OFFSETS["object"] + guesses["object"].entry.index] = guesses["object"].similarity
    return tags
