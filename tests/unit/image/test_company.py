import pytest

from models.image.scene.brief import Brief, Placement, Wanted
from models.image.scene.company import joined
from models.image.shapes import SHAPE_NAMES


def brief(names: str, *placements: Placement) -> Brief:
    shapes = [SHAPE_NAMES.index(name) for name in names.split()]  # type: ignore[arg-type]
    return Brief(tuple(Wanted(shape, group) for group, shape in enumerate(shapes)), placements)


ON_TABLE = Placement(1, "on", (2,))


def test_what_is_near_a_thing_on_a_table_is_on_it_too():
    asked = brief("teapot sphere table", Placement(0, "near", (1,)), ON_TABLE)

    assert Placement(0, "on", (2,)) in joined(asked)


def test_what_is_listed_before_it_is_on_the_table_too():
    assert Placement(0, "on", (2,)) in joined(brief("mug sphere table", ON_TABLE))


@pytest.mark.parametrize("shape", ["car", "tree", "house", "table"])
def test_what_belongs_on_the_ground_stays_there(shape):
    assert joined(brief(f"{shape} sphere table", ON_TABLE)) == (ON_TABLE,)


def test_what_is_placed_elsewhere_stays_there():
    elsewhere = Placement(0, "left", (2,))

    assert joined(brief("mug sphere table", elsewhere, ON_TABLE)) == (elsewhere, ON_TABLE)


def test_nothing_is_implied_where_nothing_rests():
    assert joined(brief("mug sphere", Placement(0, "near", (1,)))) == (Placement(0, "near", (1,)),)
