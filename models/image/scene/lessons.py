"""What the reader should find in each training caption, and how wrong it was."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own abbreviation

from models.image.scene.captions import Caption
from models.image.scene.lexicon import Lexicon
from models.image.scene.reader import (
    ATTRIBUTES,
    ELEVATIONS,
    FRAMINGS,
    INVERSE,
    LIGHTS,
    PAIRS,
    Read,
    role_mask,
)
from models.image.scene.units import Reading

FORGETFUL = 0.3
_KINDS = {"c": 0, "m": 1, "s": 2}


@dataclass(frozen=True)
class Lesson:
    """A caption as read, and what is to be found in it.

    Attributes:
        reading: Input, in half precision.
        role: Index in ROLES per unit, `(U,)`.
        count: Copies less one per unit, -100 where the unit is no object, `(U,)`.
        attribute: 1 + the unit that each noun takes its attribute from, `(3, U)`; -100 elsewhere.
        pair: Index in PAIRS between nouns, -100 elsewhere, `(U, U)`.
        whole: Light, elevation and framing, `(3,)`.
    """

    reading: Reading
    role: Tensor
    count: Tensor
    attribute: Tensor
    pair: Tensor
    whole: Tensor


def words_to_forget(caption: Caption, lexicon: Lexicon, rng: random.Random) -> frozenset[str]:
    """Now and then a word of the caption that the reader must do without."""
    if rng.random() > FORGETFUL:
        return frozenset()
    units = lexicon.split(caption.text)
    open_words = [
        u.text
        for u in units
        if u.entry and u.entry.kind in ("object", "color", "material") and u.text.isalpha()
    ]
    return frozenset(rng.sample(open_words, 1)) if open_words else frozenset()


def lesson(caption: Caption, reading: Reading) -> Lesson:
    """Turn the marks of a caption into targets over its units."""
    units = reading.units
    unit_of = {
        mark: next(i for i, unit in enumerate(units) if unit.start <= mark.start < unit.end)
        for mark in caption.marks
    }
    nouns = {mark.groups[0]: unit for mark, unit in unit_of.items() if mark.kind == "n"}
    role = torch.zeros(len(units), dtype=torch.long)
    count = torch.full((len(units),), -100)
    attribute = torch.full((len(ATTRIBUTES), len(units)), -100)
    for named, unit in nouns.items():
        role[unit] = 2 if named < 0 else 1
        attribute[:, unit] = 0
    for group in caption.groups:
        count[nouns[group.index]] = group.count - 1
    for mark, unit in unit_of.items():
        if mark.kind in _KINDS:
            for index in mark.groups:
                attribute[_KINDS[mark.kind], nouns[index]] = 1 + unit
    whole = [
        LIGHTS.index(caption.light or "none"),
        ELEVATIONS.index(caption.elevation or "none"),
        FRAMINGS.index(caption.framing or "none"),
    ]
    pair = _pairs(caption, nouns, len(units))
    return Lesson(reading, role, count, attribute, pair, torch.tensor(whole))


def _pairs(caption: Caption, nouns: dict[int, int], units: int) -> Tensor:
    pair = torch.full((units, units), -100)
    for a in caption.groups:
        for b in caption.groups:
            pair[nouns[a.index], nouns[b.index]] = 0
    for link in caption.links:
        i, j, name = nouns[link.figure], nouns[link.ground], PAIRS.index(link.relation)
        pair[i, j], pair[j, i] = name, INVERSE[name]
    if caption.arrangement:
        only = nouns[0]
        pair[only, only] = PAIRS.index(caption.arrangement)
    return pair


def loss(read: Read, lessons: list[Lesson], tags: Tensor) -> Tensor:
    """Sum of the cross-entropies of everything that was to be found."""
    batch, units = read.role.shape[:2]
    role = torch.full((batch, units), -100)
    count = torch.full((batch, units), -100)
    attribute = torch.full((batch, len(ATTRIBUTES), units), -100)
    pair = torch.full((batch, units, units), -100)
    for row, item in enumerate(lessons):
        n = len(item.role)
        role[row, :n], count[row, :n] = item.role, item.count
        attribute[row, :, :n], pair[row, :n, :n] = item.attribute, item.pair
    whole = torch.stack([item.whole for item in lessons])
    sought = attribute.clamp(min=0).unsqueeze(-1)
    hidden = read.attribute.detach().gather(-1, sought).squeeze(-1) < -1e3
    attribute = attribute.masked_fill(hidden, -100)  # a forgotten word too unlike its kind
    possible = role_mask(tags)  # (B, U, 3)
    roles = read.role.masked_fill(~possible, -1e4)
    barred = ~possible.gather(-1, role.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    role = role.masked_fill(barred, -100)
    return (
        4 * F.cross_entropy(roles.flatten(0, 1), role.flatten())
        + F.cross_entropy(read.copies.flatten(0, 1), count.flatten())
        + 3 * F.cross_entropy(read.attribute.flatten(0, 2), attribute.flatten())
        + 2 * F.cross_entropy(read.pair.flatten(0, 2), pair.flatten())
        + 0.3 * F.cross_entropy(read.light, whole[:, 0])
        + 0.3 * F.cross_entropy(read.elevation, whole[:, 1])
        + 0.3 * F.cross_entropy(read.framing, whole[:, 2])
    )
