"""Prompts that judge the scene model: sentence patterns of their own, over unseen combinations.

Every pairing of a shape with a colour or material here is held out of training, and so is every
sentence pattern: nothing is shared with the training grammar but the vocabulary of phrases.
"""

import random
from dataclasses import dataclass, replace

from models.image.scene.lexicon import Lexicon, plural_of, surface_kinds
from models.image.scene.phrasing import BASIC_COLORS, held_out_color, held_out_pair
from models.image.shapes import SHAPE_NAMES

UNSEEN_NOUNS = {
    "globe": "sphere", "block": "cube", "funnel": "cone", "donut": "torus", "basin": "bowl", "goblet": "mug",
    "flask": "bottle", "urn": "vase", "kettle": "teapot", "armchair": "chair", "lantern": "lamp",
    "fir": "tree", "hut": "house", "skyscraper": "tower", "gateway": "arch", "pillar": "column",
    "stairway": "stairs", "toadstool": "mushroom", "spaceship": "rocket", "automobile": "car", "ship": "boat",
    "jewel": "gem", "barbell": "dumbbell", "cask": "barrel", "textbook": "book",
}  # fmt: skip
_ADJECTIVES = {
    "matte": "matte", "glossy": "shiny", "chrome": "mirrored", "glass": "transparent", "frosted": "translucent",
    "wood": "wooden", "metal": "metallic", "rubber": "rubbery", "gold": "golden", "glossy ": "polished",
}  # fmt: skip
_SUBSTANCES = {
    "plastic": "plastic", "rubber": "rubber", "metal": "steel", "glass": "glass", "wood": "wood", "stone": "granite",
    "marble": "marble", "ceramic": "porcelain", "clay": "clay", "leather": "leather", "concrete": "concrete",
    "paper": "cardboard", "copper": "copper", "silver": "silver", "wax": "wax", "ice": "ice", "brick": "brick",
}  # fmt: skip
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
_LEADS = (
    "", "", "Kindly compose the following: ", "Behold: ", "We are looking at ", "Could we have ", "My daughter dreams of ",
    "Today's motif is ", "For the cover we need ", "On display: ", "The brief asks for ",
)  # fmt: skip
_ENDS = ("", "", ".", ", nothing more", ", and that's it.", ", if possible")


@dataclass(frozen=True)
class Expected:
    """One group that a prompt asks for."""

    shape: str
    noun: str
    count: int = 1
    color: str | None = None
    material: str | None = None
    substance: str | None = None
    adjective: str | None = None
    unseen: bool = False


@dataclass(frozen=True)
class Case:
    """A prompt and what its scene must show; `relation` is figure, name, grounds."""

    prompt: str
    groups: tuple[Expected, ...]
    relation: tuple[int, str, tuple[int, ...]] | None = None


class PromptWriter:
    """Draws cases."""

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # reproducible, not secret
        barred = lexicon.objects.keys() | lexicon.materials.keys()
        self._colors = sorted(lexicon.colors.keys() - barred)
        self._unseen_colors = [name for name in self._colors if held_out_color(name)]
        self._nouns = {
            shape: [
                w
                for w, e in lexicon.objects.items()
                if e.index == i and not e.plural and not e.alias
            ]
            for i, shape in enumerate(SHAPE_NAMES)
        }

    def cases(self, number: int) -> list[Case]:
        """A fixed mixture of all kinds."""
        makers = (
            self._single,
            self._counted,
            self._listed,
            self._related,
            self._between,
            self._related,
        )
        return [self._dressed(makers[at % len(makers)]()) for at in range(number)]

    def unseen_cases(self, number: int) -> list[Case]:
        """One unseen colour name, or one unseen noun, each."""
        return [
            self._dressed(self._unseen_color() if at % 2 else self._unseen_noun())
            for at in range(number)
        ]

    def _dressed(self, case: Case) -> Case:
        text = self.rng.choice(_LEADS) + case.prompt
        if not text.endswith((".", "?")):
            text += self.rng.choice(_ENDS)
        return replace(case, prompt=text)

    def _group(
        self, *others: str, count: int = 1, color: float = 0.8, material: float = 0.6
    ) -> Expected:
        rng = self.rng
        shape = rng.choice([name for name in SHAPE_NAMES if name not in others])
        group = Expected(shape, rng.choice(self._nouns[shape]), count)
        if rng.random() < color:
            group = replace(group, color=self._paired(shape))
        if rng.random() < material:
            table, key = rng.choice(((_ADJECTIVES, "adjective"), (_SUBSTANCES, "substance")))
            open_kinds = [kind for kind, word in table.items() if held_out_pair(shape, word)]
            if open_kinds:
                kind = rng.choice(open_kinds)
                said = table[kind]
                group = replace(group, material=kind.strip(), **{key: said})
        return group

    def _paired(self, shape: str) -> str:
        names = BASIC_COLORS if self.rng.random() < 0.4 else self._colors
        held = [name for name in names if held_out_pair(shape, name)]
        return self.rng.choice(held or self._colors)

    def _article(self, words: str) -> str:
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    def _phrase(self, group: Expected) -> str:
        """The group with all its attributes, in an order that training lacks."""
        many = group.count > 1
        noun = plural_of(group.noun) if many else group.noun
        lead = f"{_NUMBERS[group.count]} " if many else ""
        c, adj, sub = group.color, group.adjective, group.substance
        if c and adj:
            forms = (
                f"{lead}{noun}, {c} and very {adj}",
                f"{lead}{adj} {noun} with {c} as the colour",
                f"{lead}{noun} looking {adj} and {c}",
                f"{lead}{c} {noun} with a rather {adj} look",
            )
        elif c and sub:
            forms = (
                f"{lead}{noun} (of {sub}, in {c})",
                f"{lead}{c} {noun} consisting of {sub}",
                f"{lead}{sub} {noun} with {c} as the colour",
                f"{lead}{noun} that somebody made of {sub} and painted {c}",
            )
        elif c:
            forms = (
                f"{lead}{noun} wearing a coat of {c} paint",
                f"{lead}{noun} with {c} as the colour",
                f"{lead}{noun} that somebody has painted {c}",
                f"{lead}{noun} looking {c}",
            )
        elif adj:
            forms = (
                f"{lead}{noun} with a rather {adj} look",
                f"{lead}{noun}, ever so {adj}",
                f"{lead}very, very {adj} {noun}",
            )
        elif sub:
            forms = (
                f"{lead}{noun} consisting of {sub}",
                f"{lead}{noun} entirely out of {sub}",
                f"{lead}{noun} that somebody made of {sub}",
            )
        else:
            forms = (f"{lead}{noun}",)
        chosen = self.rng.choice(forms)
        return chosen if many else self._article(chosen)

    def _single(self) -> Case:
        group = self._group(color=0.9, material=0.8)
        rng, noun = self.rng, group.noun
        made = f"out of {group.substance}" if group.substance else group.adjective
        if group.color and made and rng.random() < 0.6:
            return Case(rng.choice((
                f"there is {self._article(noun)} here; its colour is {group.color} and it seems {made}",
                f"take {self._article(noun)}, make it {made} and paint it {group.color}",
                f"the {noun} in this picture? {group.color.capitalize()}, and {made}.",
                f"{self._article(noun)} — {group.color}, {made}",
            )), (group,))  # fmt: skip
        return Case(self._phrase(group), (group,))

    def _counted(self) -> Case:
        count = self.rng.randint(2, 6)
        group = self._group(count=count, color=0.7, material=0.4)
        if self.rng.random() < 0.5 and not group.material:
            nouns, number, color = plural_of(group.noun), _NUMBERS[count], group.color or "lovely"
            return Case(self.rng.choice((
                f"{color} {nouns}, {number} altogether", f"a group of {number} {color} {nouns}",
                f"{nouns}! {number}, please, and {color} ones", f"there should be {number} of these: {color} {nouns}",
            )), (group,))  # fmt: skip
        return Case(self._phrase(group), (group,))

    def _listed(self) -> Case:
        first = self._group()
        second = self._group(first.shape, count=self.rng.choice((1, 1, 2, 3)))
        groups = [first, second]
        if self.rng.random() < 0.4:
            groups.append(self._group(first.shape, second.shape, material=0.2))
        said = [self._phrase(group) for group in groups]
        return Case(
            self.rng.choice(("; then ", ", together with ", " + ", " and furthermore ")).join(said),
            tuple(groups),
        )

    def _pair(self) -> tuple[Expected, Expected]:
        first = self._group(count=self.rng.choice((1, 1, 1, 2)), material=0.4)
        return first, self._group(first.shape, material=0.4)

    def _related(self) -> Case:
        a, b = self._pair()
        relation = self.rng.choice(("left", "right", "front", "behind", "on", "near"))
        said = {
            "left": ("to the left of", "on its left", "right"), "right": ("to the right of", "on its right", "left"),
            "front": ("in front of", "in front of it", "behind"), "behind": ("behind", "behind it", "in front of"),
            "on": ("on top of", "on top of it", "under"), "near": ("next to", "next to it", "close to"),
        }[relation]  # fmt: skip
        first, second, to, aside = self._phrase(a), self._phrase(b), said[0], said[1]
        figure_first = (
            f"put {first} so that you see it {to} {second}",
            f"it is {first} that one finds {to} {second}",
            f"{first}, which one finds {to} {second}",
            f"you will find {first} just {to} {second}",
        )
        ground_first = (
            f"{second}, {to} which we find {first}",
            f"take {second}. Now add {first} {aside}.",
            f"{to} {second} somebody has left {first}",
            f"start with {second}, then {aside} place {first}",
        )
        special = self._special(relation, first, second)
        if special and self.rng.random() < 0.35:
            text, order = special
            return Case(
                text,
                (a, b) if order else (b, a),
                (0 if order else 1, relation, (1 if order else 0,)),
            )
        if self.rng.random() < 0.5:
            return Case(self.rng.choice(figure_first), (a, b), (0, relation, (1,)))
        return Case(self.rng.choice(ground_first), (b, a), (1, relation, (0,)))

    def _special(self, relation: str, first: str, second: str) -> tuple[str, bool] | None:
        """Patterns of one relation only; the flag says whether the figure comes first."""
        rng = self.rng
        match relation:
            case "left":
                return f"on the left {first}, on the right {second}", True
            case "right":
                return f"on the left {second}, on the right {first}", False
            case "front":
                return f"{first} up front and {second} behind it", True
            case "behind":
                return f"{second} that hides {first} behind it", False
            case "on":
                return rng.choice(
                    (f"{second} that carries {first} on top", f"{second} as a base, {first} on it")
                ), False
            case _:
                return rng.choice(
                    (f"{first} right beside {second}", f"{first} quite near {second}")
                ), True

    def _between(self) -> Case:
        a = self._group(material=0.3)
        b = self._group(a.shape, material=0.2, color=0.6)
        c = self._group(a.shape, b.shape, material=0.2, color=0.6)
        first, second, third = self._phrase(a), self._phrase(b), self._phrase(c)
        form = self.rng.randrange(4)
        if form < 2:
            text = (
                f"{first} squeezed in between {second} and {third}",
                f"you will find {first} between {second} and {third}",
            )[form]
            return Case(text, (a, b, c), (0, "between", (1, 2)))
        text = (
            f"{second} and {third}, and right between them {first}",
            f"take {second} and {third}. Put {first} between the two.",
        )[form - 2]
        return Case(text, (b, c, a), (2, "between", (0, 1)))

    def _unseen_color(self) -> Case:
        group = replace(
            self._group(color=0, material=0.3),
            color=self.rng.choice(self._unseen_colors),
            unseen=True,
        )
        return Case(self._phrase(group), (group,))

    def _unseen_noun(self) -> Case:
        noun, shape = self.rng.choice(sorted(UNSEEN_NOUNS.items()))
        base = replace(self._group(material=0.3), shape=shape, noun=noun, unseen=True)
        if base.color:
            base = replace(base, color=self._paired(shape))
        return Case(self._phrase(base), (base,))


MATERIAL_OF = {kind.name: kind.surface for kind in surface_kinds()}
