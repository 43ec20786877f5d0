"""Splits a prompt into units and tags those that belong to the vocabulary."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from models.image.scene import phrases
from models.image.scene.colour import oklab_of
from models.image.schema import Material
from models.image.shapes import SHAPE_NAMES, ShapeName

VOCABULARY = Path(__file__).with_name("vocabulary")
Oklab = tuple[float, float, float]
Kind = Literal[
    "object", "color", "material", "number", "size", "light", "view", "placing", "ground"
]
_WORD = re.compile(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|3d\b|[a-z]+(?:'[a-z]+)?|\d+|[^\s\w]")
_LONGEST_PHRASE = 5
_IRREGULAR = {
    "man": "men", "woman": "women", "snowman": "snowmen", "mouse": "mice", "person": "people",
    "child": "children", "loaf": "loaves", "shelf": "shelves", "torus": "tori", "die": "dice",
    "stairs": "stairs", "sheep": "sheep", "fish": "fish", "potato": "potatoes", "tomato": "tomatoes",
}  # fmt: skip
_NOT_COLORS = frozenset(
    [
        "dark",
        "pale",
        "drab",
        "bland",
        "royal",
        "sky",
        "sea",
        "earth",
        "dust",
        "dirt",
        "mud",
        "grass",
        "sand",
        "snow",
        "ice",
        "velvet",
        "desert",
        "marine",
        "ocean",
        "swamp",
        "golden",
        "bruise",
        "blood",
        "water",
        "dusk",
        "twilight",
        "midnight",
        "forest",
        "light",
    ]
)


@dataclass(frozen=True)
class SurfaceKind:
    """A named material, and the colour it has where none is stated, if it has one of its own."""

    name: str
    surface: Material
    oklab: Oklab | None


@dataclass(frozen=True)
class Entry:
    """What the vocabulary knows of a word or phrase.

    Attributes:
        kind: The class of word.
        index: Position in the names of that class; the count itself for a number.
        oklab: Of a colour, or the default colour of an object or ground.
        plural: An object's plural form.
        alias: The object is no shape of ours but is drawn as the one at `index`.
        surface: Index of an object's usual material.
        size: Index of an object's usual size.
    """

    kind: Kind
    index: int = 0
    oklab: Oklab | None = None
    plural: bool = False
    alias: bool = False
    surface: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class Unit:
    """A word, known phrase or punctuation mark of a prompt, `prompt[start:end]`.

    Attributes:
        text: In lower case, hyphens read as blanks.
        start: In characters.
        end: In characters.
        entry: What the vocabulary knows of it.
        color: For an object's name that is a colour's too.
    """

    text: str
    start: int
    end: int
    entry: Entry | None
    color: Entry | None = None

    @property
    def unknown(self) -> bool:
        """A content word outside the vocabulary."""
        idle = phrases.STOP_WORDS | phrases.VERB_PHRASES
        return self.entry is None and self.text[0].isalpha() and self.text not in idle


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a vocabulary table."""
    with (VOCABULARY / f"{name}.csv").open(newline="") as table:
        return list(csv.DictReader(table))


@cache
def surface_kinds() -> tuple[SurfaceKind, ...]:
    """Every named material."""
    fields = ("roughness", "metallic", "specular", "clearcoat", "transmission")
    return tuple(
        SurfaceKind(
            row["name"],
            Material(**{field: float(row[field]) for field in fields}),
            _oklab(row["color"]) if row["color"] else None,
        )
        for row in rows("materials")
    )


def plural_of(phrase: str) -> str:
    """Plural of an English noun phrase that ends in its noun."""
    head, _, noun = phrase.rpartition(" ")
    if noun in _IRREGULAR:
        noun = _IRREGULAR[noun]
    elif re.search(r"(s|x|z|ch|sh)$", noun):
        noun += "es"
    elif re.search(r"[^aeiou]y$", noun):
        noun = noun[:-1] + "ies"
    else:
        noun += "s"
    return f"{head} {noun}".strip()


def _oklab(color: str) -> Oklab:
    lightness, a, b = (float(value) for value in oklab_of(color))
    return lightness, a, b


def _colors() -> Iterator[tuple[str, Entry]]:
    for row in sorted(rows("colours"), key=lambda row: row["source"]):  # the later one wins: xkcd
        name = row["name"].lower().replace("/", " ").replace("-", " ")
        if name not in _NOT_COLORS:
            yield name, Entry("color", oklab=_oklab(row["hex"]))


def _objects() -> Iterator[tuple[str, Entry]]:
    surfaces = [kind.name for kind in surface_kinds()]
    sizes = list(phrases.SIZES)
    for row in sorted(rows("objects"), key=lambda row: row["kind"]):  # a name wins over an alias
        shape: ShapeName = row["shape"]  # type: ignore[assignment]  # checked by the next line
        entry = Entry(
            "object",
            SHAPE_NAMES.index(shape),
            _oklab(row["color"]) if row["color"] else None,
            alias=row["kind"] == "alias",
            surface=surfaces.index(row["material"]) if row["material"] else None,
            size=sizes.index(row["size"]) if row["size"] else None,
        )
        yield plural_of(row["word"]), replace(entry, plural=True)
        yield row["word"], entry


def _materials() -> Iterator[tuple[str, Entry]]:
    for index, row in enumerate(rows("materials")):
        for word in row["words"].split("|"):
            yield word, Entry("material", index)


def _phrases() -> Iterator[tuple[str, Entry]]:
    tables: tuple[tuple[Kind, list[str]], ...] = (
        ("placing", list(phrases.PLACING.values())),
        ("size", [words for _, words in phrases.SIZES.values()]),
        ("light", list(phrases.LIGHTS.values())),
        ("view", list(phrases.VIEWS.values())),
    )
    for kind, lists in tables:
        for index, words in enumerate(lists):
            for word in words.split("|"):
                yield word, Entry(kind, index)
    for count, words in phrases.NUMBERS.items():
        for word in words.split("|"):
            yield word, Entry("number", count)
    for color, words in phrases.GROUNDS.items():
        for word in words.split("|"):
            yield word, Entry("ground", oklab=_oklab(color) if color else None)


class Lexicon:
    """The vocabulary: every word and phrase that has a meaning of its own in a scene."""

    def __init__(self) -> None:
        self.colors = dict(_colors())
        self.objects = dict(_objects())
        self.materials = dict(_materials())
        self._entries = {**self.colors, **self.objects, **self.materials, **dict(_phrases())}
        ambiguous = self.colors.keys() & self.objects.keys()
        self._also_colors = {word: self.colors[word] for word in ambiguous}

    def split(self, prompt: str, forget: frozenset[str] = frozenset()) -> list[Unit]:
        """Cut a prompt into units, the longest known phrase first.

        Args:
            prompt: Any text.
            forget: Words to treat as if the vocabulary lacked them.
        """
        lowered = prompt.lower()
        words = [(m[0], *m.span()) for m in _WORD.finditer(lowered)]
        words = [w for w in words if w[0] != "-" or w[2] >= len(lowered)]
        units, at = [], 0
        while at < len(words):
            taken, entry = self._match([word for word, _, _ in words[at : at + _LONGEST_PHRASE]])
            start, end = words[at][1], words[at + taken - 1][2]
            text = " ".join(word for word, _, _ in words[at : at + taken])
            units.append(Unit(text, start, end, None if text in forget else entry))
            at += taken
        return [self._in_context(units, i) for i in range(len(units))]

    def knows(self, word: str) -> bool:
        """Whether a word has a meaning here, or none that could matter."""
        return word in self._entries or word in phrases.STOP_WORDS

    def _match(self, words: list[str]) -> tuple[int, Entry | None]:
        for length in range(len(words), 0, -1):
            phrase = " ".join(words[:length])
            if phrase in phrases.VERB_PHRASES:
                return length, None
            if phrase in self._entries:
                return length, self._entries[phrase]
        if words[0].startswith("#") and len(words[0]) > 1:
            return 1, Entry("color", oklab=_oklab(words[0]))
        if words[0] in phrases.SHADES and len(words) > 1:
            taken, entry = self._match(words[1:])
            if entry is not None and entry.kind == "color" and entry.oklab is not None:
                return taken + 1, Entry("color", oklab=_shaded(words[0], entry.oklab))
        return 1, None

    def _in_context(self, units: list[Unit], at: int) -> Unit:
        """Read `peach` in `a peach chair` as a colour; elsewhere it may be either."""
        unit = units[at]
        color = self._also_colors.get(unit.text)
        if color is None or unit.entry is None:
            return unit
        following = units[at + 1].entry if at + 1 < len(units) else None
        if following is not None and following.kind == "object":
            return replace(unit, entry=color)
        return replace(unit, color=color)


def _shaded(word: str, oklab: Oklab) -> Oklab:
    lighter, chroma = phrases.SHADES[word]
    lightness, a, b = oklab
    return float(np.clip(lightness + lighter, 0, 1)), a * chroma, b * chroma
