"""From a prompt to a brief, with an account of every word that was replaced or left out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.image.scene import phrases
from models.image.scene.brief import MAX_DRAWN, Brief, Placement, Wanted
from models.image.scene.lexicon import Kind, Oklab, surface_kinds
from models.image.scene.reader import (
    ELEVATIONS,
    FRAMINGS,
    INVERSE,
    LIGHTS,
    PAIRS,
    Read,
    Reader,
    gather,
    role_mask,
)
from models.image.scene.units import Reading, UnitReader
from models.image.schema import MappedWord
from models.image.shapes import SHAPE_NAMES

_KINDS: tuple[Kind, ...] = ("color", "material", "size")
_FIRST_ARRANGEMENT = PAIRS.index("row")


@dataclass(frozen=True)
class Understanding:
    """What a prompt settles, and how its words were taken.

    Attributes:
        brief: What to draw.
        mapped: Words that were read as others.
        ignored: Content words without influence.
    """

    brief: Brief
    mapped: tuple[MappedWord, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Named:
    """A group of objects, by the units that speak of it."""

    unit: int
    count: int
    sources: dict[Kind, int]


class Interpreter:
    """Reads prompts with a trained reader."""

    def __init__(self, units: UnitReader, reader: Reader) -> None:
        self._units, self._reader = units, reader

    @torch.inference_mode()
    def understand(self, prompt: str) -> Understanding:
        """Settle what a prompt says."""
        (reading,) = self._units.read([prompt])
        if not reading.units:
            return self._guessed(prompt, reading, None)
        read = self._reader(gather([reading]))
        settled = _Settled(reading, Read(*(logits[0] for logits in read)))
        return settled.account() if settled.named else self._guessed(prompt, reading, settled)

    def _guessed(self, prompt: str, reading: Reading, settled: "_Settled | None") -> Understanding:
        """Draw the object that an objectless prompt is nearest to."""
        guesses = [
            (guess["object"], unit.text)
            for unit, guess in zip(reading.units, reading.guesses, strict=True)
            if "object" in guess
        ]
        whole = self._units.anchors.nearest_to(prompt.strip() or "scene")
        best, word = max([*guesses, (whole, prompt[:60])], key=lambda item: item[0].similarity)
        color = next(
            (u.entry.oklab for u in reading.units if u.entry and u.entry.kind == "color"), None
        )
        surface = next(
            (u.entry.index for u in reading.units if u.entry and u.entry.kind == "material"), None
        )
        entry = best.entry
        look = surface if surface is not None else entry.surface
        objects = (Wanted(entry.index, 0, color or entry.oklab, look, entry.size),)
        used = SHAPE_NAMES[best.entry.index]
        mapped = MappedWord(word=word, used=used, similarity=round(best.similarity, 3))
        if settled is None:
            return Understanding(Brief(objects), (mapped,), ())
        account = settled.account()
        ignored = tuple(left for left in account.ignored if left not in (word, best.word))
        return Understanding(settled.brief(objects), (mapped, *account.mapped), ignored)


class _Settled:
    """The reader's logits for one prompt, decided."""

    def __init__(self, reading: Reading, read: Read) -> None:
        self.reading = reading
        roles = read.role.masked_fill(~role_mask(reading.tags), -1e4).argmax(-1)  # (U,)
        nouns: list[int] = (roles == 1).nonzero().flatten().tolist()
        known = [at for at, u in enumerate(reading.units) if u.entry and u.entry.kind == "object"]
        if known and not nouns:
            nouns = [max(known, key=lambda at: float(read.role[at, 1]))]
        self.named: list[_Named] = []
        left = MAX_DRAWN
        for unit in nouns:
            count = min(int(read.copies[unit].argmax()) + 1, left)
            if count > 0:
                self.named.append(_Named(unit, count, _sources(read, unit)))
            left -= count
        grounds = (roles == 2).nonzero().flatten().tolist()
        self.ground = _Named(grounds[0], 1, _sources(read, grounds[0])) if grounds else None
        self.light = LIGHTS[int(read.light.argmax())]
        self.elevation = ELEVATIONS[int(read.elevation.argmax())]
        self.framing = FRAMINGS[int(read.framing.argmax())]
        both = read.pair.log_softmax(-1)
        self.pair = both + both.transpose(0, 1)[..., list(INVERSE)]  # (U, U, 13)

    def account(self) -> Understanding:
        """The understanding, for a prompt that names objects."""
        brief = self.brief(self._objects()) if self.named else Brief((Wanted(0),))
        return Understanding(brief, tuple(self._mapped()), tuple(self._ignored()))

    def brief(self, objects: tuple[Wanted, ...]) -> Brief:
        """All that is settled, for the given objects."""
        color, surface = (None, None) if self.ground is None else self._look(self.ground, "ground")
        light = LIGHTS.index(self.light) - 1
        return Brief(
            objects,
            self._placements() if self.named else (),
            self._arrangement() if self.named else None,
            color,
            surface,
            light if light >= 0 else None,
            None if self.elevation == "none" else self.elevation,
            None if self.framing == "none" else self.framing,
        )

    def _look(self, named: _Named, kind: Kind) -> tuple[Oklab | None, int | None]:
        """Colour and material: as stated, else as the material, else as the noun implies."""
        entries = {k: self.reading.entry(unit, k) for k, unit in named.sources.items()}
        color, material = entries.get("color"), entries.get("material")
        noun = self.reading.entry(named.unit, kind)
        usual = noun.surface if noun else None
        if color:
            return color.oklab, material.index if material else usual
        if material and surface_kinds()[material.index].oklab is not None:
            return surface_kinds()[material.index].oklab, material.index
        return (noun.oklab if noun else None), material.index if material else usual

    def _objects(self) -> tuple[Wanted, ...]:
        objects: list[Wanted] = []
        for group, named in enumerate(self.named):
            noun = self.reading.entry(named.unit, "object")
            color, surface = self._look(named, "object")
            size = named.sources.get("size")
            entry = None if size is None else self.reading.entry(size, "size")
            usual = noun.size if noun else None
            shape = noun.index if noun else 0
            wanted = Wanted(shape, group, color, surface, entry.index if entry else usual)
            objects += [wanted] * named.count
        return tuple(objects)

    def _arrangement(self) -> str | None:
        if len(self.named) != 1 or self.named[0].count < 2:
            return None
        unit = self.named[0].unit
        best = int(self.pair[unit, unit, [0, *range(_FIRST_ARRANGEMENT, len(PAIRS))]].argmax())
        return phrases.ARRANGEMENTS[best - 1] if best else None

    def _placements(self) -> tuple[Placement, ...]:
        members, first = [], 0
        for named in self.named:
            members.append(tuple(range(first, first + named.count)))
            first += named.count
        found: list[Placement] = []
        flanks: dict[int, list[int]] = {}
        for i, a in enumerate(self.named):
            for j in range(i + 1, len(self.named)):
                scores = self.pair[a.unit, self.named[j].unit, :_FIRST_ARRANGEMENT]
                figure, relation, ground = i, PAIRS[int(scores.argmax())], j
                if relation in ("under", "flanks"):
                    figure, ground = j, i
                    relation = "on" if relation == "under" else "between"
                if relation == "between":
                    flanks.setdefault(figure, []).append(ground)
                elif relation != "none":
                    found += _each(members[figure], relation, members[ground])
        for figure, grounds in flanks.items():
            ends = [member for ground in grounds for member in members[ground]][:2]
            found += [Placement(member, "between", tuple(ends)) for member in members[figure]]
        return tuple(found)

    def _used(self) -> dict[int, Kind]:
        """The units that had influence, and as what."""
        used: dict[int, Kind] = {named.unit: "object" for named in self.named}
        sources = [*self.named, *([self.ground] if self.ground else [])]
        for named in sources:
            used |= {unit: kind for kind, unit in named.sources.items()}
        if self.ground:
            used[self.ground.unit] = "ground"
        return used

    def _mapped(self) -> list[MappedWord]:
        found = []
        for at, kind in sorted(self._used().items()):
            unit, guess = self.reading.units[at], self.reading.guesses[at].get(kind)
            if guess is not None:
                used = SHAPE_NAMES[guess.entry.index] if kind == "object" else guess.word
                found.append((unit.text, used, round(guess.similarity, 3)))
        return [
            MappedWord(word=word, used=used, similarity=similarity)
            for word, used, similarity in dict.fromkeys(found)
        ]

    def _ignored(self) -> list[str]:
        used = self._used()
        drawn = {entry.index for n in self.named if (entry := self.reading.entry(n.unit, "object"))}
        found = []
        for at, unit in enumerate(self.reading.units):
            if at in used:
                continue
            if unit.unknown or (
                unit.entry and not self._heeded(unit.entry.kind, unit.entry.index, drawn)
            ):
                found.append(unit.text)
        return list(dict.fromkeys(found))

    def _heeded(self, kind: Kind, index: int, drawn: set[int]) -> bool:
        """Whether a known word that no object took for itself had its say nevertheless."""
        if kind == "object":
            return index in drawn
        if kind == "number":
            return any(named.count == index for named in self.named)
        if kind == "light":
            return self.light == phrases.LIGHT_NAMES[index]
        if kind == "view":
            return phrases.VIEW_NAMES[index] in (self.elevation, self.framing)
        return kind == "placing"


def _sources(read: Read, unit: int) -> dict[Kind, int]:
    """The units that a noun takes its attributes from."""
    best: Tensor = read.attribute[:, unit].argmax(-1)  # (3,)
    return {kind: int(at) - 1 for kind, at in zip(_KINDS, best, strict=True) if at > 0}


def _each(figures: tuple[int, ...], relation: str, grounds: tuple[int, ...]) -> list[Placement]:
    """Relate the members of two groups: one on one where something rests, else all to all."""
    if relation == "on":
        return [
            Placement(figure, "on", (grounds[at % len(grounds)],))
            for at, figure in enumerate(figures)
        ]
    return [Placement(figure, relation, grounds) for figure in figures]
