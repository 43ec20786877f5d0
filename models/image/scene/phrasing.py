"""Noun phrases of the training captions, with their words marked by what they say of which group.

A mark reads `<c01:red>`: the word `red` gives the colour (`c`) of groups 0 and 1. The kinds are
`n` noun that introduces a group, `c` colour, `m` material, `s` size; group `g` is the ground.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from models.image.scene import phrases
from models.image.scene.lexicon import Lexicon, plural_of, surface_kinds
from models.image.shapes import SHAPE_NAMES

BASIC_COLORS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black", "grey",
    "gray", "cyan", "teal", "navy", "turquoise", "violet", "magenta", "beige", "olive", "maroon",
)  # fmt: skip
ADVERBS = (
    "very",
    "really",
    "quite",
    "extremely",
    "rather",
    "slightly",
    "somewhat",
    "truly",
    "fully",
)
ADJECTIVES = (
    "beautiful", "old", "new", "elegant", "simple", "ancient", "modern", "fancy", "lovely", "strange", "round",
    "ornate", "cute", "rustic", "futuristic", "perfect", "weathered", "delicate", "heavy", "slender", "stylish",
    "vintage", "magical", "realistic", "smooth", "minimalist", "surreal", "wonderful", "charming", "classic",
    "gorgeous", "sturdy", "antique", "floating", "lonely", "mysterious", "broken", "empty", "closed", "nice",
    "gentle", "pretty", "funny", "expensive", "cheap", "handmade", "geometric", "abstract", "curved",
    "traditional", "solid", "hollow", "sleepy", "noble", "famous",
)  # fmt: skip
ABSTRACT = (
    "mother", "brother", "friend", "boss", "teacher", "poem", "story", "exhibition", "catalogue", "website",
    "poster", "client", "project", "idea", "dream", "memory", "birthday", "season", "summer", "project", "theme",
    "concept", "mood", "atmosphere", "museum", "room", "gallery", "corner", "layer", "decoration", "gift", "family",
    "company", "game", "movie", "detail", "feeling", "purpose", "support", "foundation", "surprise", "sample",
    "paint", "varnish", "layer", "stripe", "pattern", "sticker", "label", "logo", "shadow", "reflection", "contrast",
)  # fmt: skip
_ABSTRACT_ENDS = (
    "tion",
    "ment",
    "ness",
    "ity",
    "ism",
    "ance",
    "ence",
    "ship",
    "dom",
    "er",
    "or",
    "age",
    "ist",
    "ure",
)
_ADJECTIVE_ENDS = (
    "ous",
    "ful",
    "ic",
    "al",
    "ive",
    "ish",
    "less",
    "able",
    "ible",
    "ant",
    "ent",
    "y",
)
_AFTER_COLOR = (
    "{n} in {c}", "{n} that {is_} {c}", "{n} which {is_} {c}", "{n}, {c}", "{n} coloured {c}",
    "{n} painted {c}", "{n} of {c} color", "{n} ({c})", "{n} with a {c} surface",
    "{n} in the colour {c}", "{n} that {is_} all {c}", "{n} whose colour is {c}", "{n}, {c} in color,",
    "{n}, painted {c},", "{n}, which {is_} {adv} {c},", "{n} dyed {c}", "{n}: {c}", "{n} tinted {c}",
)  # fmt: skip
_AFTER_MATERIAL = (
    "{n} made of {m}", "{n} of {m}", "{n} in {m}", "{n} out of {m}", "{n} with a {m} finish",
    "{n} made from {m}", "{n} that {is_} {m}", "{n}, {m}", "{n} which {is_} made of {m}",
    "{n} built of {m}", "{n} carved from {m}", "{n} that looks {m}", "{n} ({m})", "{n}, made of {m},",
    "{n} with a {adv} {m} surface", "{n} cast in {m}", "{n}, all {m},", "{n} formed from {m}",
)  # fmt: skip
_AFTER_BOTH = (
    "{n}, {c} and {m}", "{n} that {is_} {c} and {m}", "{n} made of {c} {m}", "{n} of {c} {m}",
    "{n} in {c}, made of {m}", "{n}, {c}, {m}", "{n} that {is_} {m} and {c}", "{n} ({c}, {m})",
    "{n} in {m}, {c}", "{n} which {is_} {c} and made of {m}", "{n} with a {m} {c} surface",
    "{n} made from {m} and coloured {c}", "{n}, {m} and {c}", "{n} in {c} {m}", "{n} carved from {c} {m}",
)  # fmt: skip


@dataclass
class Group:
    """Copies of one object that a caption speaks of together."""

    index: int
    shape: int
    noun: str
    count: int = 1
    color: str | None = None
    material: str | None = None
    size: str | None = None
    said: set[str] = field(default_factory=set)

    @property
    def word(self) -> str:
        """The noun in its number."""
        return plural_of(self.noun) if self.count > 1 else self.noun


def held_out_color(name: str) -> bool:
    """Whether training never says this colour name: one in seven."""
    return name not in BASIC_COLORS and zlib.crc32(name.encode()) % 7 == 0


def held_out_pair(shape: str, word: str) -> bool:
    """Whether training never says this colour or material of this shape: one in six."""
    return zlib.crc32(f"{shape} {word}".encode()) % 6 == 0


class Phrasing:
    """Draws groups and the noun phrases that name them."""

    def __init__(self, lexicon: Lexicon, rng: random.Random, words: list[str]) -> None:
        self.rng = rng
        fresh = [w for w in words if w.isalpha() and len(w) > 3 and not lexicon.knows(w)]
        self._adjectives_wild = [w for w in fresh if w.endswith(_ADJECTIVE_ENDS)] or list(
            ADJECTIVES
        )
        self._participles = [w for w in fresh if w.endswith(("ing", "ed"))] or list(ADJECTIVES)
        self._abstract = [w for w in fresh if w.endswith(_ABSTRACT_ENDS)] or list(ADJECTIVES)
        self._adverbs = [w for w in fresh if w.endswith("ly")] or list(ADVERBS)
        other = lexicon.materials.keys()
        self._colors = [n for n in sorted(lexicon.colors.keys() - other) if not held_out_color(n)]
        self._materials = sorted(lexicon.materials.items())
        singular = sorted((w, e) for w, e in lexicon.objects.items() if not e.plural)
        self._nouns = [
            [(w, e.alias) for w, e in singular if e.index == i] for i in range(len(SHAPE_NAMES))
        ]

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.rng.random() < probability

    def adjective(self) -> str:
        """An adjective that says nothing we draw."""
        return self.rng.choice(ADJECTIVES if self.chance(0.4) else self._adjectives_wild)

    def abstract(self) -> str:
        """A noun that is nothing to be drawn."""
        return self.rng.choice(ABSTRACT if self.chance(0.5) else self._abstract)

    def participle(self) -> str:
        """A participle that says nothing we draw."""
        return self.rng.choice(self._participles)

    def adverb(self) -> str:
        """An adverb."""
        return self.rng.choice(ADVERBS if self.chance(0.6) else self._adverbs)

    def group(self, index: int, count: int) -> Group:
        """A group whose pairings of words are open to training."""
        rng, shape = self.rng, self.rng.randrange(len(SHAPE_NAMES))
        nouns = self._nouns[shape]
        aliases = self.chance(0.35)
        noun = rng.choice([w for w, alias in nouns if alias == aliases] or [nouns[0][0]])
        group = Group(index, shape, noun, count)
        if self.chance(0.68):
            group.color = self._allowed(shape, self.color)
        if self.chance(0.5):
            group.material = self._allowed(shape, self._material)
        if self.chance(0.2):
            group.size = rng.choice(rng.choice(list(phrases.SIZES.values()))[1].split("|")[:8])
        return group

    def color(self) -> str:
        """A colour word, now and then a hex code."""
        draw = self.rng.random()
        if draw < 0.04:
            return f"#{self.rng.randrange(1 << 24):06x}"
        return self.rng.choice(BASIC_COLORS if draw < 0.4 else self._colors)

    def _material(self) -> str:
        kind = self.rng.randrange(len(surface_kinds()))
        return self.rng.choice([word for word, entry in self._materials if entry.index == kind])

    def _allowed(self, shape: int, draw: Callable[[], str]) -> str:
        while True:
            word = draw()
            if not held_out_pair(SHAPE_NAMES[shape], word):
                return word

    def mark(self, kind: str, group: Group, word: str) -> str:
        """The word, marked as saying this of the group."""
        group.said.add(kind)
        return f"<{kind}{group.index}:{word}>"

    def noun_phrase(self, group: Group) -> str:
        """A phrase that introduces the group, with its attributes before or after the noun."""
        before, after = [], set()
        for kind, word in (("c", group.color), ("m", group.material)):
            if word and kind not in group.said:
                (
                    after.add(kind)
                    if self.chance(0.3)
                    else before.append(self.mark(kind, group, word))
                )
        self.rng.shuffle(before)
        head = self._adjectives(group, before) + self.mark("n", group, group.word)
        if group.count > 1 and self.chance(0.06):
            number = self.rng.choice(phrases.NUMBERS[group.count].split("|")[:2])
            form = self.rng.choice(("{}, {} of them", "{} ({})", "{}, {} in number", "{} x {}"))
            return form.format(self._after(group, head, after), number)
        phrase = f"{self.determiner(group)} {self._after(group, head, after)}".strip()
        draw = self.rng.random()
        if draw < 0.04:
            return f"{phrase} {self.participle()}"
        if draw < 0.08:
            form = self.rng.choice(
                (
                    "for the {}",
                    "with {}",
                    "as {}",
                    "like a {}",
                    "of my {}",
                    "from the {}",
                    "in a {}",
                )
            )
            return f"{phrase} {form.format(self.abstract())}"
        return phrase

    def determiner(self, group: Group) -> str:
        """An article, or a number that states the group's count."""
        rng = self.rng
        if group.count == 1:
            return rng.choice(
                ["a"] * 8 + ["the", "the", "one", "", "a single", "some kind of", "this"]
            )
        if group.count == 3 and self.chance(0.12):
            return rng.choice(["some", "a few", ""])
        number = rng.choice(phrases.NUMBERS[group.count].split("|")[: 4 if group.count < 6 else 5])
        if number == "pair":
            number = "a pair of"
        elif number in ("couple", "trio"):
            number = f"a {number} of"
        elif number == "both":
            number = "two"
        return rng.choice(["", "", "", "", "the ", "exactly ", "these "]) + number

    def _adjectives(self, group: Group, words: list[str]) -> str:
        rng = self.rng
        if len(words) == 2:
            words = [rng.choice([" ", " ", " ", ", ", " and ", ", "]).join(words)]
        if words and self.chance(0.1):
            words.insert(0, self.adverb())
        if group.size and "s" not in group.said:
            words.insert(0 if self.chance(0.85) else len(words), self.mark("s", group, group.size))
        if self.chance(0.14):
            words.insert(rng.randint(0, len(words)), self.adjective())
        joiner = ", " if len(words) > 1 and self.chance(0.1) else " "
        return joiner.join(words) + " " if words else ""

    def _after(self, group: Group, head: str, kinds: set[str]) -> str:
        if not kinds:
            return head
        table = {"c": _AFTER_COLOR, "m": _AFTER_MATERIAL}.get("".join(kinds), _AFTER_BOTH)
        return self.rng.choice(table).format(
            n=head,
            is_="are" if group.count > 1 else "is",
            adv=self.adverb(),
            c=self.mark("c", group, group.color) if "c" in kinds and group.color else "",
            m=self.mark("m", group, group.material) if "m" in kinds and group.material else "",
        )
