"""What is named beside a thing on a table is meant to stand on the table too."""

from models.image.scene.brief import Brief, Placement
from models.image.shapes import PROPORTIONS, SHAPE_NAMES, ShapeName

TABLE_TOP: frozenset[ShapeName] = frozenset({
    "sphere", "cube", "cylinder", "cone", "torus", "pyramid", "capsule", "egg", "disc", "plate",
    "bowl", "mug", "bottle", "vase", "teapot", "candle", "mushroom", "star", "heart", "gem",
    "hourglass", "book",
})  # fmt: skip
"""What people put on tables."""
SUPPORTING: frozenset[ShapeName] = frozenset({"table", "bench"})
MAX_SHARE = 0.8
"""Of a top's radius that a guest may take."""


def joined(brief: Brief) -> tuple[Placement, ...]:
    """The placements, and those that they imply.

    A thing stands on a table too if it is near something there ("a teapot next to two apples on a
    table"), or is listed just before it and placed nowhere else ("a teapot and two apples on a
    table").
    """
    supports = {p.figure: p.grounds[0] for p in brief.placements if p.relation == "on"}
    implied = {}
    for figure, below in supports.items():
        for guest in (*_near(brief, figure), *_listed_before(brief, figure)):
            if guest not in supports and guest != below and _fits(brief, guest, below):
                implied[guest] = Placement(guest, "on", (below,))
    return (*brief.placements, *implied.values())


def _near(brief: Brief, figure: int) -> list[int]:
    near = [p for p in brief.placements if p.relation == "near"]
    grounds = [ground for p in near if p.figure == figure for ground in p.grounds]
    return grounds + [p.figure for p in near if figure in p.grounds]


def _listed_before(brief: Brief, figure: int) -> list[int]:
    """Members of the group named right before, if nothing else is said of them."""
    group = brief.objects[figure].group - 1
    members = [i for i, wanted in enumerate(brief.objects) if wanted.group == group]
    placed = {i for p in brief.placements for i in (p.figure, *p.grounds)}
    return [i for i in members if i not in placed]


def _fits(brief: Brief, guest: int, below: int) -> bool:
    shape, top = (SHAPE_NAMES[brief.objects[i].shape] for i in (guest, below))
    radius, room = (PROPORTIONS[s].radius * PROPORTIONS[s].typical_size_m for s in (shape, top))
    return shape in TABLE_TOP and top in SUPPORTING and radius <= MAX_SHARE * room
