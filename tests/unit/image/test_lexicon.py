import pytest

from models.image.scene.lexicon import Lexicon, plural_of
from models.image.shapes import SHAPE_NAMES


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon()


def kinds(lexicon, text):
    return [(u.text, u.entry.kind) for u in lexicon.split(text) if u.entry]


def test_the_longest_name_wins(lexicon):
    assert kinds(lexicon, "a wine-red vase")[0] == ("wine red", "color")


def test_every_shape_can_be_named(lexicon):
    assert {entry.index for entry in lexicon.objects.values()} == set(range(len(SHAPE_NAMES)))


def test_hex_codes_are_colours(lexicon):
    (unit,) = [u for u in lexicon.split("a #12ab9f egg") if u.entry and u.entry.kind == "color"]

    assert unit.text == "#12ab9f"


def test_a_shade_applies_to_the_colour_that_follows(lexicon):
    plain, dark = (lexicon.split(text)[0].entry for text in ("fuchsia", "muted fuchsia"))

    assert dark.oklab[0] == pytest.approx(plain.oklab[0])
    assert abs(dark.oklab[1]) < abs(plain.oklab[1])


def test_a_fruit_before_an_object_is_a_colour(lexicon):
    assert kinds(lexicon, "a peach chair") == [("peach", "color"), ("chair", "object")]
    assert kinds(lexicon, "a peach")[0] == ("peach", "object")


def test_forgotten_words_are_unknown(lexicon):
    units = lexicon.split("a red cube", frozenset({"cube"}))

    assert [unit.text for unit in units if unit.unknown] == ["cube"]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("box", "boxes"),
        ("wine glass", "wine glasses"),
        ("cherry", "cherries"),
        ("snowman", "snowmen"),
    ],
)
def test_plurals(one, many):
    assert plural_of(one) == many


def test_what_somebody_has_left_is_on_no_side(lexicon):
    assert kinds(lexicon, "she has left a cup") == [("cup", "object")]
    assert kinds(lexicon, "left of a cup")[0][1] == "placing"
