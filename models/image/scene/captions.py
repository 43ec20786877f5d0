"""The captions that the reader is trained on: an open grammar with marked words."""

import random
import re
from dataclasses import dataclass

from models.image.scene import phrases
from models.image.scene.lexicon import Lexicon
from models.image.scene.phrasing import Group, Phrasing
from models.image.scene.wording import ASIDE, INVERSE, OPENINGS, SIDES, STYLES, TO, VERBS

_MARK = re.compile(r"<([ncms])([0-9g]+):([^>]*)>")


@dataclass(frozen=True)
class Link:
    """A relation as said: the group `figure` stands in `relation` to the group `ground`."""

    figure: int
    relation: str
    ground: int


@dataclass(frozen=True)
class Mark:
    """A marked word: its kind, the groups it speaks of (-1 is the ground) and where it starts."""

    kind: str
    groups: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Caption:
    """A caption and everything it says."""

    text: str
    groups: tuple[Group, ...]
    marks: tuple[Mark, ...]
    links: tuple[Link, ...] = ()
    arrangement: str | None = None
    light: str | None = None
    elevation: str | None = None
    framing: str | None = None


class CaptionWriter:
    """Draws captions without end.

    Args:
        lexicon: Vocabulary of everything that matters.
        seed: Of all choices.
        words: English words at large; those unknown to the lexicon serve as chaff.
    """

    def __init__(self, lexicon: Lexicon, seed: int, words: list[str] | None = None) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # reproducible captions, not secrets
        self.phrasing = Phrasing(lexicon, self.rng, words or [])
        self._links: list[Link] = []
        self._arrangement: str | None = None

    def draw(self) -> Caption:
        """One caption."""
        self._links, self._arrangement = [], None
        pattern = self.rng.choices(
            (self._list, self._pair, self._between, self._three, self._arranged, self._described),
            (26, 36, 9, 13, 6, 10),
        )[0]
        groups, body = pattern()
        light, elevation, framing = self._light(), None, None
        view = self.rng.choice(phrases.VIEW_NAMES) if self._chance(0.15) else None
        if view in ("above", "low"):
            elevation = view
        elif view:
            framing = view
        text = self._dress(body, light, view)
        plain, marks = _strip(text)
        return Caption(
            plain,
            tuple(groups),
            marks,
            tuple(self._links),
            self._arrangement,
            light,
            elevation,
            framing,
        )

    def _chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def _pick(self, choices: str) -> str:
        return self.rng.choice(choices.split("|"))

    def _light(self) -> str | None:
        return self.rng.choice(phrases.LIGHT_NAMES) if self._chance(0.3) else None

    def _groups(self, number: int) -> list[Group]:
        """Groups with at most six objects in all."""
        counts = [1] * number
        while sum(counts) < phrases.MAX_COUNT and self._chance(0.42 / number + 0.12):
            at = self.rng.randrange(number)
            counts[at] = self.rng.randint(2, phrases.MAX_COUNT - sum(counts) + counts[at])
        return [self.phrasing.group(i, count) for i, count in enumerate(counts)]

    def _say(self, group: Group) -> str:
        return self.phrasing.noun_phrase(group)

    def _back(self, group: Group) -> str:
        """Refer to a group that was introduced before."""
        if group.count == 1 and group.color and self._chance(0.2) and "c" in group.said:
            return f"the {group.color} {group.noun}"
        return f"the {group.word}"

    def _is(self, group: Group) -> str:
        verb = self.rng.choice(VERBS)
        if self._chance(0.25):
            verb = f"is {self.phrasing.participle()}"
        if group.count == 1:
            return verb
        plural = {"is": "are", "has": "have", "can": "can"}
        first, _, rest = verb.partition(" ")
        return f"{plural.get(first, first.removesuffix('s'))} {rest}".strip()

    def _list(self) -> tuple[list[Group], str]:
        groups = self._groups(self.rng.choices((1, 2, 3, 4), (48, 27, 17, 8))[0])
        said = [self._say(group) for group in groups]
        if len(said) == 1:
            return groups, said[0]
        if self._chance(0.15):
            return groups, ", ".join(said)
        last = self.rng.choice(
            [
                " and ",
                ", and ",
                " with ",
                " plus ",
                " as well as ",
                " along with ",
                "; also ",
                " & ",
            ]
        )
        return groups, ", ".join(said[:-1]) + last + said[-1]

    def _link(self, figure: Group, relation: str, ground: Group) -> None:
        if relation == "under":
            figure, relation, ground = ground, "on", figure
        self._links.append(Link(figure.index, relation, ground.index))

    def _pair(self) -> tuple[list[Group], str]:
        a, b = self._groups(2)
        relation = self.rng.choice(list(TO))
        return [a, b], self._related(a, relation, b)

    def _related(self, a: Group, relation: str, b: Group) -> str:
        """State the relation of two new groups; `a` is mentioned first."""
        to, aside = self._pick(TO[relation]), self._pick(ASIDE[relation])
        form = self.rng.randrange(24)
        if form >= 22 or (relation in SIDES and self._chance(0.12)):
            return self._sided(a, relation, b)
        if form < 11:  # the first is the figure
            self._link(a, relation, b)
            first, second = self._say(a), self._say(b)
            verb = self._is(a)
            templates = (
                f"{first} {to} {second}", f"{first} {to} {second}", f"{first} {verb} {to} {second}",
                f"{first}, {to} {second}", f"{first} that {verb} {to} {second}",
                f"{first} and {second}. {self._back(a)} {verb} {to} {self._back(b)}.",
                f"{first} placed {to} {second}",
                f"{first} and {second}, {self._back(a)} {to} {self._back(b)}",
                f"{first} {self.phrasing.participle()} {to} {second}",
                f"{first}, {self.phrasing.participle()} {to} {second}",
                f"{first} {self.phrasing.participle()} {self.phrasing.adverb()} {to} {second}",
            )  # fmt: skip
            return templates[form]
        self._link(b, relation, a)  # the second is the figure
        verb = self._is(b)
        first = self._say(a)
        second = self._say(b)
        templates = (
            f"{to} {first} {verb} {second}", f"{to} {first} there is {second}", f"{first} with {second} {to} it",
            f"{first}, and {aside} {second}", f"{first}. {aside} {verb} {second}.",
            f"{first} and {second}. {self._back(b)} {verb} {to} {self._back(a)}.",
            f"{first} with {second} {aside}", f"{first}. {second} {verb} {to} it.",
            f"{first}. {second} {verb} {to} {self._back(a)}.",
            self._pick(
                f"{first} has {second} {aside}|{first}, {self.phrasing.participle()} {second} {aside}"
                f"|{first} {self.phrasing.participle()} {second} {aside}|{first} and, {aside}, {second}"
            ),
            f"{first}; {second} {self.phrasing.participle()} {to} {self._back(a)}",
        )  # fmt: skip
        return templates[form - 11]

    def _sided(self, a: Group, relation: str, b: Group) -> str:
        """Name the place of each; `a` comes first."""
        if relation not in SIDES:
            relation = self.rng.choice(list(SIDES))
        self._link(a, relation, b)
        here, there = self._pick(SIDES[relation]), self._pick(SIDES[INVERSE[relation]])
        first, second, joiner = self._say(a), self._say(b), self._pick(" and |, |; |, and | while ")
        return self._pick(
            f"{first} {here}{joiner}{second} {there}|{first} is {here}{joiner}{second} is {there}"
            f"|{here} is {first}{joiner}{there} is {second}|{here}: {first}{joiner}{there}: {second}"
            f"|{first} ({here}){joiner}{second} ({there})"
        )

    def _between(self) -> tuple[list[Group], str]:
        number = 2 if self._chance(0.2) else 3
        if number == 2:
            a, b = self.phrasing.group(0, 1), self.phrasing.group(1, 2)
            self._links.append(Link(0, "between", 1))
            return [
                a,
                b,
            ], f"{self._say(a)} {self._pick('between|in between|flanked by')} {self._say(b)}"
        a, b, c = groups = [self.phrasing.group(i, 1) for i in range(3)]
        form = self.rng.randrange(12)
        middle = 0 if form < 4 else 1 if form == 6 else 2
        said = [self._say(group) for group in groups]
        for other in {0, 1, 2} - {middle}:
            self._links.append(Link(middle, "between", other))
        verb = self._is(groups[middle])
        templates = (
            f"{said[0]} between {said[1]} and {said[2]}", f"{said[0]} {verb} between {said[1]} and {said[2]}",
            f"{said[0]} in between {said[1]} and {said[2]}", f"{said[0]} flanked by {said[1]} and {said[2]}",
            f"between {said[0]} and {said[1]} {verb} {said[2]}", f"{said[0]} and {said[1]} with {said[2]} between them",
            f"{said[0]}, {said[1]} and {said[2]}. {self._back(b)} {verb} between {self._back(a)} and {self._back(c)}.",
            f"{said[0]} and {said[1]}. between these {verb} {said[2]}.",
            f"{said[0]}, {said[1]} and in the middle {said[2]}",
            f"{said[0]} and {said[1]} flank {said[2]}",
            f"{said[0]} and {said[1]}; {said[2]} {verb} {self._pick('in the middle|between both|in between')}",
            f"in between {said[0]} and {said[1]}, {self.phrasing.adverb()}, {said[2]}",
        )  # fmt: skip
        return groups, templates[form]

    def _three(self) -> tuple[list[Group], str]:
        a, b, c = groups = self._groups(3)
        first, second = self.rng.choice(list(TO)), self.rng.choice(list(TO))
        form = self.rng.randrange(5)
        if form == 0:
            body = f"{self._related(a, first, b)} and {self._say(c)}".replace(". and", " and")
        elif form == 1:
            body = f"{self._say(c)} and {self._related(a, first, b)}"
            groups = [c, a, b]
        elif form == 2:
            opening = self._related(a, first, b).rstrip(".")
            near = self.rng.choice((a, b))
            self._link(c, second, near)
            stop = self._pick(". |; |, and |, while ")
            body = f"{opening}{stop}{self._say(c)} {self._is(c)} {self._pick(TO[second])} {self._back(near)}"
        elif form == 3:
            self._link(a, first, b)
            self._link(c, second, b)
            body = f"{self._say(a)} {self._pick(TO[first])} {self._say(b)}, {self._say(c)} {self._pick(TO[second])} it"
        else:
            self._link(a, first, b)
            self._link(b, second, c)
            body = f"{self._say(a)} {self._pick(TO[first])} {self._say(b)} {self._pick(TO[second])} {self._say(c)}"
        return groups, body

    def _arranged(self) -> tuple[list[Group], str]:
        self._arrangement = self.rng.choice(phrases.ARRANGEMENTS)
        group = self.phrasing.group(0, self.rng.randint(2, phrases.MAX_COUNT))
        kind = phrases.PLACING[self._arrangement].split("|")
        of = [phrase for phrase in kind if phrase.endswith(" of")]
        if of and self._chance(0.5):
            return [group], f"a {self.rng.choice(of)} {self._say(group)}"
        after = [phrase for phrase in kind if " " in phrase and phrase not in of] or kind
        return [
            group
        ], f"{self._say(group)} {self._pick('|arranged|standing|placed')} {self.rng.choice(after)}"

    def _described(self) -> tuple[list[Group], str]:
        """Name the objects first, their looks in sentences of their own."""
        groups = self._groups(self.rng.choice((1, 2, 2)))
        later: list[str] = []
        if len(groups) == 2 and self._chance(0.3):
            word = self.phrasing.color()
            for group in groups:
                group.said.add("c")
            ids = "".join(str(group.index) for group in groups)
            later.append(
                self._pick("both are|both|they are both|all").strip() + f" <c{ids}:{word}>"
            )
        for group in groups:
            who = (
                self._pick("it|this one")
                if len(groups) == 1 and group.count == 1
                else self._back(group)
            )
            verb, adverb = (
                "are" if group.count > 1 else "is",
                self.rng.choice(["", "", self.phrasing.adverb()]),
            )
            if group.color and "c" not in group.said and self._chance(0.7):
                form = self._pick(f"{who} {verb} {adverb}|{who}: {adverb}|make {who}|{who} painted")
                later.append(f"{form} {self.phrasing.mark('c', group, group.color)}")
            if group.material and "m" not in group.said and self._chance(0.7):
                form = self._pick(
                    f"{who} {verb} made of|{who} {verb} {adverb}|{who} of|{who} should be"
                )
                later.append(f"{form} {self.phrasing.mark('m', group, group.material)}")
        body = self._pick(" and |, ").join(self._say(group) for group in groups)
        joiner = self._pick(". |; |, ")
        return groups, joiner.join([body, *later])

    def _chatter(self) -> str:
        """An opening that speaks of something else."""
        noun, participle = self.phrasing.abstract(), self.phrasing.participle()
        return self._pick(
            f"my {noun} wants|this {noun} shows|a {noun} of|{noun}:|the {noun} is about|{participle} the {noun}:"
            f"|in this {noun} there is|as a {noun},|{self.phrasing.adverb()}, a {noun} with|our {noun} has|{participle}:"
            f"|it is a {noun} about|with much {noun},|we {participle} a {noun}:|{participle} {noun},|the {noun} likes"
        )

    def _ground(self) -> str:
        if not self._chance(0.3):
            return ""
        color = self._pick(
            "red|grey|white|black|blue|green|beige|pink|brown|dark blue|light grey|cream|navy"
        )
        known = self._pick("|".join(phrases.GROUNDS.values()))
        noun = f"<ng:{known}>"
        if self._chance(0.3):
            return self._pick(
                f" on the {noun}| on {noun}| over {noun}| on a clean {noun}| in front of a plain {noun}"
            )
        said = f"<cg:{color}>"
        if self._chance(0.2):
            said = f"<mg:{self._pick('wooden|marble|concrete|stone|glossy|metal|matte')}>"
        return self._pick(
            f" on a {said} {noun}| on {said} {noun}|, {said} {noun}| against a {said} {noun}|. The {noun} is {said}."
            f"| with a {said} {noun}| standing on a {said} {noun}| over a {noun} that is {said}"
        )

    def _dress(self, body: str, light: str | None, view: str | None) -> str:
        """Add the opening, ground, light, view and style words, and a writer's habits."""
        rng = self.rng
        tails: list[str] = []
        heads: list[str] = []
        for index, (name, table) in enumerate(((light, phrases.LIGHTS), (view, phrases.VIEWS))):
            if name:
                phrase = self._pick(table[name])
                bare = (
                    ("{}", "{} light", "{} scene", "with {}", "in {}")
                    if index == 0
                    else ("{}", "{} view", "{}")
                )
                (heads if self._chance(0.2) else tails).append(
                    rng.choice(("{}", "{}", "{}", *bare)).format(phrase)
                )
        if self._chance(0.06):
            tails.append(
                self._pick(
                    f"under a {self.phrasing.color()} sky|with {self.phrasing.color()} light"
                )
            )
        if self._chance(0.22):
            tails += rng.sample(STYLES, rng.choice((1, 1, 2, 3)))
        if self._chance(0.06):
            tails.append(f"{self.phrasing.adverb()} {self.phrasing.adjective()}")
        rng.shuffle(tails)
        opening = rng.choice(OPENINGS) if self._chance(0.4) else ""
        if opening and self._chance(0.15):
            opening = f"{opening} {self.phrasing.adverb()}"
        elif self._chance(0.14):
            opening = self._chatter()
        text = body + ("" if body.endswith(".") else self._ground())
        text = f"{opening} {text}".strip()
        text = "".join([*(f"{head}{self._pick(', |: | of ')}" for head in heads), text])
        for tail in tails:
            text += self._pick(", | |. |, | - ") + tail
        return text + self._pick("||||.|!")


def _strip(marked: str) -> tuple[str, tuple[Mark, ...]]:
    """Take the marks out of a caption, noting where the marked words start."""
    marked = re.sub(r"\s+", " ", marked).replace(" ,", ",").replace(" .", ".")
    marked = re.sub(r"\ba ((?:<[^:]*:)?[aeiou])", r"an \1", marked)
    text, marks, at = "", [], 0
    for match in _MARK.finditer(marked):
        text += marked[at : match.start()]
        groups = tuple(-1 if digit == "g" else int(digit) for digit in match[2])
        marks.append(Mark(match[1], groups, len(text)))
        text += match[3]
        at = match.end()
    return text + marked[at:], tuple(marks)
