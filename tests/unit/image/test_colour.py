import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.image.scene.colour import ciede2000, cielab_of, hex_of, oklab_of

# Sharma, Wu and Dalal 2005, table 1
SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 3.1571, -77.2803), (50.0, 0.0, -82.7485), 2.8615),
    ((50.0, 2.8361, -74.0200), (50.0, 0.0, -82.7485), 3.4412),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, -0.0010, 2.4900), (50.0, 0.0009, -2.4900), 4.8045),
    ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
    ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
    ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "published"), SHARMA)
def test_ciede2000_gives_the_published_differences(first, second, published):
    difference = ciede2000(np.array(first), np.array(second))

    assert difference == pytest.approx(published, abs=5e-5)


def test_white_is_white_in_both_spaces():
    assert oklab_of("#ffffff") == pytest.approx([1, 0, 0], abs=1e-6)
    assert cielab_of("#ffffff") == pytest.approx([100, 0, 0], abs=1e-3)


def test_oklab_of_red_is_the_published_one():
    assert oklab_of("#ff0000") == pytest.approx([0.62796, 0.22486, 0.12585], abs=1e-4)


@given(st.integers(0, 0xFFFFFF))
def test_hex_survives_the_way_through_oklab(value):
    color = f"#{value:06x}"

    assert hex_of(oklab_of(color)) == color


@given(st.tuples(st.floats(0, 1), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)))
def test_any_oklab_becomes_a_valid_hex_code(lab):
    assert len(hex_of(lab)) == 7


def test_three_digits_mean_the_same_as_six():
    assert oklab_of("#f80") == pytest.approx(oklab_of("#ff8800"))
