import colorsys

import numpy as np
import pytest

from models.core.errors import InvalidInput
from models.image.render.colors import encode_srgb, linear
from models.image.render.grade import displayed, tone_mapped
from models.image.render.lights import MOODS, environment
from models.image.schema import Material, Scene, SceneObject
from models.image.styles import STYLES, Grade, style_named

PLAIN = Grade(vignette=0.0, bloom=0.0)


@pytest.mark.parametrize("color", ["#c8321e", "#2f6fb7", "#3d8f4e", "#e0a526", "#8a4fa3"])
@pytest.mark.parametrize("light", [0.3, 0.8, 1.3])
def test_a_colour_keeps_its_hue_in_any_light(color: str, light: float) -> None:
    shown = displayed(np.tile(linear(color) * light, (4, 4, 1)), PLAIN, 1.0)[0, 0]

    assert _hue_apart(shown, encode_srgb(linear(color))) < 4


def test_mid_tones_are_reproduced_as_they_are() -> None:
    paint = linear("#8a6f4e")

    np.testing.assert_allclose(tone_mapped(paint[None, None])[0, 0], paint, atol=0.01)


def test_brighter_light_is_never_shown_darker() -> None:
    ramp = np.linspace(0, 40, 500, dtype=np.float32)[None, :, None] * linear("#c8321e")
    luminance = tone_mapped(ramp) @ np.array([0.2126, 0.7152, 0.0722])

    assert (np.diff(luminance[0]) > -1e-3).all()


def test_noir_has_no_colour() -> None:
    light = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    shown = displayed(light, style_named("noir").grade, 1.0)

    np.testing.assert_allclose(shown[..., 0], shown[..., 2], atol=1e-5)


def test_styles_have_unique_names_and_say_what_they_do() -> None:
    assert len({style.name for style in STYLES}) == len(STYLES) >= 8
    assert all(style.description for style in STYLES)
    assert STYLES[0].name == "photo"


def test_an_unknown_style_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="golden-hour"):
        style_named("cubist")


def test_clay_hides_colour_and_material_but_photo_changes_nothing() -> None:
    chrome = SceneObject(shape="cube", color="#c8321e", material=Material(metallic=1.0))
    scene = Scene(objects=(chrome,))

    assert style_named("photo").dressed(scene) == scene
    assert style_named("clay").dressed(scene).objects[0].material.metallic == 0


def test_pastel_keeps_metal() -> None:
    chrome = SceneObject(shape="cube", color="#c8321e", material=Material(metallic=1.0))

    assert style_named("pastel").dressed(Scene(objects=(chrome,))).objects[0].material.metallic == 1


@pytest.mark.parametrize("light", list(MOODS))
def test_every_environment_is_finite_and_lit(light: str) -> None:
    radiance = environment(light)  # type: ignore[arg-type]  # keys of MOODS

    assert np.isfinite(radiance).all()
    assert radiance.min() >= 0
    assert radiance.max() > 5 * np.median(radiance)


def _hue_apart(a: np.ndarray, b: np.ndarray) -> float:
    hues = [colorsys.rgb_to_hsv(*map(float, color))[0] * 360 for color in (a, b)]
    return abs((hues[0] - hues[1] + 180) % 360 - 180)
