"""Plausible scenes without words: what the diffusion model learns to imagine."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from models.image.scene import phrases
from models.image.scene.brief import MAX_DRAWN, Brief, Placement, Wanted
from models.image.scene.colour import Floats, oklab_of
from models.image.scene.layout import solve
from models.image.scene.lexicon import Oklab, rows, surface_kinds
from models.image.shapes import PROPORTIONS, SHAPE_NAMES

_RELATIONS = ("left", "right", "front", "behind", "near", "on", "between")
_LIGHT_ODDS = {"sun": 0.24, "sky": 0.24, "studio": 0.34, "sunset": 0.18, "night": 0.0}
_MEADOW_ODDS, _SAND_ODDS = 0.12, 0.3
_GREEN, _SAND = np.array([-0.77, 0.64]), np.array([0.25, 0.97])
"""Directions in OKLab's plane of hues."""
ELEVATION_DEG = {None: (12.0, 32.0), "above": (58.0, 74.0), "low": (4.0, 8.0)}
FRAMING = {None: (0.96, 1.08), "close": (0.68, 0.8), "wide": (1.7, 2.1)}


@dataclass(frozen=True)
class ShapeTaste:
    """Colours and materials that a shape is usually seen in, and whether it has a front."""

    colors: tuple[str, ...]
    surfaces: tuple[int, ...]
    faced: bool


@dataclass(frozen=True)
class Staged:
    """A complete numeric scene for a brief.

    Attributes:
        colors: OKLab, `(n, 3)`.
        surfaces: Material indices.
        sizes_m: `(n,)`.
        positions: `(n, 2)`.
        yaws_deg: `(n,)`.
        ground: OKLab, `(3,)`.
        ground_roughness: 0-1.
        light: Index in LIGHT_NAMES.
        azimuth_deg: Of the camera.
        elevation_deg: Of the camera.
        framing: Of the camera.
    """

    colors: Floats
    surfaces: tuple[int, ...]
    sizes_m: Floats
    positions: Floats
    yaws_deg: Floats
    ground: Floats
    ground_roughness: float
    light: int
    azimuth_deg: float
    elevation_deg: float
    framing: float


@cache
def tastes() -> tuple[ShapeTaste, ...]:
    """Taste per shape, in the order of SHAPE_NAMES."""
    names = [kind.name for kind in surface_kinds()]
    found = {
        row["shape"]: ShapeTaste(
            tuple(row["colors"].split()),
            tuple(names.index(name) for name in row["materials"].split()),
            row["faced"] == "1",
        )
        for row in rows("shapes")
    }
    return tuple(found[name] for name in SHAPE_NAMES)


class Stager:
    """Draws briefs, and scenes that answer them in good taste."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._vivid = [oklab_of(row["hex"]) for row in rows("colours")]
        self._metals = {
            index
            for index, kind in enumerate(surface_kinds())
            if kind.surface.metallic and kind.oklab
        }

    def brief(self) -> Brief:
        """A brief as a prompt might settle it."""
        rng = self.rng
        counts = [1] * int(rng.choice([1, 2, 3, 4], p=[0.42, 0.32, 0.17, 0.09]))
        if rng.random() < 0.3:
            at = int(rng.integers(len(counts)))
            counts[at] = int(rng.integers(2, MAX_DRAWN - len(counts) + 2))
        objects: list[Wanted] = []
        for group, count in enumerate(counts):
            objects += [self._wanted(group)] * count
        placements = self._placements(objects)
        arranged = len(counts) == 1 and counts[0] > 1 and rng.random() < 0.2
        return Brief(
            tuple(objects),
            placements,
            str(rng.choice(phrases.ARRANGEMENTS)) if arranged else None,
            self._any_color() if rng.random() < 0.25 else None,
            None,
            int(rng.integers(len(phrases.LIGHT_NAMES))) if rng.random() < 0.35 else None,
            str(rng.choice(["above", "low"])) if rng.random() < 0.12 else None,
            str(rng.choice(["close", "wide"])) if rng.random() < 0.12 else None,
        )

    def stage(self, brief: Brief) -> Staged:
        """A scene that keeps to the brief."""
        rng = self.rng
        looks: dict[int, tuple[Floats, int, float]] = {}
        for wanted in brief.objects:
            if wanted.group not in looks:
                looks[wanted.group] = self._look(wanted, [look[0] for look in looks.values()])
        chosen = [looks[wanted.group] for wanted in brief.objects]
        colors = np.stack([color for color, _, _ in chosen])
        sizes = np.array([size for _, _, size in chosen])
        radii = sizes * [PROPORTIONS[SHAPE_NAMES[w.shape]].radius for w in brief.objects]
        start = rng.normal(0, 0.5 + 0.1 * len(sizes), (len(sizes), 2))
        layout = solve(radii, start, brief.placements, brief.arrangement)
        faced = np.array([tastes()[wanted.shape].faced for wanted in brief.objects])
        ground = np.array(brief.ground_color) if brief.ground_color else self._ground(colors)
        odds = list(_LIGHT_ODDS.values())
        light = brief.light if brief.light is not None else int(rng.choice(5, p=odds))
        return Staged(
            colors,
            tuple(surface for _, surface, _ in chosen),
            sizes * layout.scales,
            layout.positions,
            rng.normal(0, 1, len(sizes)) * np.where(faced, 9, 40),
            ground,
            float(rng.uniform(0.35, 0.85)),
            light,
            float(np.clip(rng.normal(0, 7), -15, 15)),
            float(rng.uniform(*ELEVATION_DEG[brief.elevation])),
            float(rng.uniform(*FRAMING[brief.framing])),
        )

    def _any_color(self) -> Oklab:
        lightness, a, b = (float(v) for v in self._vivid[int(self.rng.integers(len(self._vivid)))])
        return lightness, a, b

    def _wanted(self, group: int) -> Wanted:
        rng = self.rng
        return Wanted(
            int(rng.integers(len(SHAPE_NAMES))),
            group,
            self._any_color() if rng.random() < 0.5 else None,
            int(rng.integers(len(surface_kinds()))) if rng.random() < 0.35 else None,
            int(rng.integers(2)) if rng.random() < 0.2 else None,
        )

    def _look(self, wanted: Wanted, others: list[Floats]) -> tuple[Floats, int, float]:
        """Colour, material and size of a group."""
        rng, taste = self.rng, tastes()[wanted.shape]
        surface = wanted.surface if wanted.surface is not None else int(rng.choice(taste.surfaces))
        if wanted.color is not None:
            color = np.array(wanted.color)
        elif surface in self._metals:
            color = np.array(surface_kinds()[surface].oklab) + rng.normal(0, 0.008, 3)
        else:
            color = self._apart(taste.colors, others) + rng.normal(0, [0.02, 0.01, 0.01])
        factor = 1.0 if wanted.size is None else phrases.SIZE_FACTORS[wanted.size]
        size = PROPORTIONS[SHAPE_NAMES[wanted.shape]].typical_size_m * factor
        return color, surface, float(size * np.exp(rng.normal(0, 0.06)))

    def _apart(self, colors: tuple[str, ...], others: list[Floats]) -> Floats:
        """Of two colours of a shape's taste, the one less like what is there already."""
        first, second = (oklab_of(str(color)) for color in self.rng.choice(colors, 2))
        nearest = [
            min((float(np.abs(c - o).sum()) for o in others), default=1.0) for c in (first, second)
        ]
        return first if nearest[0] >= nearest[1] else second

    def _ground(self, colors: Floats) -> Floats:
        """A light tone that leans to a hue of the objects or against it, or sand, or a meadow."""
        rng, mean = self.rng, float(colors[:, 0].mean())
        kind = rng.random()
        if kind < _MEADOW_ODDS:
            return np.array([rng.uniform(0.58, 0.76), *(_GREEN * rng.uniform(0.05, 0.09))])
        lightness = rng.uniform(0.74, 0.93)
        if abs(lightness - mean) < 0.12:
            lightness = mean - 0.18 if mean > 0.78 else mean + 0.18
        color = colors[int(rng.integers(len(colors))), 1:]
        hue = color / (np.hypot(*color) + 1e-6) * rng.choice([1.0, -1.0])
        if kind < _MEADOW_ODDS + _SAND_ODDS:
            hue = _SAND
        return np.array([lightness, *(hue * rng.uniform(0.02, 0.065))])

    def _placements(self, objects: list[Wanted]) -> tuple[Placement, ...]:
        groups = sorted({wanted.group for wanted in objects})
        if len(groups) < 2 or self.rng.random() < 0.4:
            return ()
        members = {g: [i for i, w in enumerate(objects) if w.group == g] for g in groups}
        a, b, *rest = (int(g) for g in self.rng.permutation(groups))
        relation = str(self.rng.choice(_RELATIONS[: 7 if rest else 6]))
        if relation == "between":
            pair = (members[b][0], members[rest[0]][0])
            return tuple(Placement(i, relation, pair) for i in members[a])
        if relation == "on":
            return tuple(Placement(i, relation, (members[b][0],)) for i in members[a])
        return tuple(Placement(i, relation, tuple(members[b])) for i in members[a])
