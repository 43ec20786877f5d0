"""Styles: how a scene is dressed before it is traced and graded afterwards."""

import colorsys
from dataclasses import dataclass

from models.core.errors import InvalidInput
from models.image.schema import LightName, Material, Scene, SceneObject, StyleCard, StyleName

GROUND_SHARE = 0.2
"""How much of a style's extra saturation the ground takes, so that it stays the background."""


@dataclass(frozen=True)
class Grade:
    """What happens to the light between the tracer and the picture.

    Attributes:
        exposure_stops: Doublings of brightness.
        contrast: Slope around middle grey; 1 changes nothing.
        saturation: 0 is black and white, 1 changes nothing.
        tint: Factors on red, green and blue.
        shadow_tint: Light added to the darkest tones.
        vignette: Darkening of the corners, 0-1.
        bloom: Share of the light that bleeds around highlights.
        grain: Strength of film grain.
    """

    exposure_stops: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shadow_tint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    vignette: float = 0.2
    bloom: float = 0.04
    grain: float = 0.0


@dataclass(frozen=True)
class Style:
    """A named look.

    Attributes:
        name: What requests ask for.
        description: One line for people who choose.
        light: Replaces the scene's.
        ground: Replaces the ground's colour.
        ground_roughness: Replaces the ground's roughness.
        color: Replaces every object's colour.
        material: Replaces every object's material.
        coat: Material laid over matte objects only; metals and glass keep theirs.
        color_saturation: Factor on the saturation of the objects' and the ground's colours.
        color_lightness: Share by which those colours move to white (or to black if negative).
        accents: Whether fixed colours of parts (windows, wood) stay; else they follow the object.
        grade: Applied to the traced light.
    """

    name: StyleName
    description: str
    light: LightName | None = None
    ground: str | None = None
    ground_roughness: float | None = None
    color: str | None = None
    material: Material | None = None
    coat: Material | None = None
    color_saturation: float = 1.0
    color_lightness: float = 0.0
    accents: bool = True
    grade: Grade = Grade()

    def dressed(self, scene: Scene) -> Scene:
        """The scene in this style."""
        ground = scene.ground.model_copy(
            update={
                "color": self.ground or self._shifted(scene.ground.color, GROUND_SHARE),
                "roughness": scene.ground.roughness
                if self.ground_roughness is None
                else self.ground_roughness,
            }
        )
        return scene.model_copy(
            update={
                "objects": tuple(self._dressed(thing) for thing in scene.objects),
                "ground": ground,
                "light": self.light or scene.light,
            }
        )

    def _dressed(self, thing: SceneObject) -> SceneObject:
        material = self.material or thing.material
        plain = thing.material.metallic < 0.5 and thing.material.transmission < 0.5
        if self.coat and plain:
            material = self.coat
        color = self.color or self._shifted(thing.color)
        return thing.model_copy(update={"color": color, "material": material})

    def _shifted(self, color: str, share: float = 1.0) -> str:
        if self.color_saturation == 1.0 and self.color_lightness == 0.0:
            return color
        richer = 1 + (self.color_saturation - 1) * share
        red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
        goal = 1.0 if self.color_lightness > 0 else 0.0
        lightness += (goal - lightness) * abs(self.color_lightness)
        shifted = colorsys.hls_to_rgb(hue, lightness, min(1.0, saturation * richer))
        return "#" + "".join(f"{round(value * 255):02x}" for value in shifted)


STYLES: tuple[Style, ...] = (
    Style("photo", "Natural photograph; the scene's own light and colours"),
    Style(
        "studio",
        "Product photograph under softboxes on seamless paper",
        light="studio",
        ground_roughness=0.35,
        grade=Grade(contrast=1.06, vignette=0.2),
    ),
    Style(
        "clay",
        "Unglazed grey clay: form and light alone",
        light="sky",
        ground="#c9c2b8",
        color="#b9aea2",
        material=Material(roughness=0.85, specular=0.3),
        accents=False,
        grade=Grade(contrast=1.25, vignette=0.22),
    ),
    Style(
        "noir",
        "Black and white, hard light and deep shadows",
        light="sun",
        color_lightness=-0.15,
        grade=Grade(-0.35, 1.55, 0.0, vignette=0.5, bloom=0.08, grain=0.016),
    ),
    Style(
        "golden-hour",
        "Low warm sun and long shadows",
        light="sunset",
        grade=Grade(0.1, 1.05, 1.08, (1.06, 1.0, 0.9), vignette=0.22, bloom=0.1),
    ),
    Style(
        "moonlight",
        "Cool moon with warm lamps",
        light="night",
        grade=Grade(0.15, 1.08, 0.95, vignette=0.35, bloom=0.12),
    ),
    Style(
        "pastel",
        "Pale, soft colours in open shade",
        light="sky",
        color_saturation=0.75,
        color_lightness=0.5,
        coat=Material(roughness=0.7, specular=0.3),
        grade=Grade(0.12, 0.9, 0.95, vignette=0.0, bloom=0.06),
    ),
    Style(
        "vivid",
        "Saturated colours in clear sun",
        light="sun",
        color_saturation=1.5,
        grade=Grade(0.0, 1.12, 1.15, vignette=0.15),
    ),
    Style(
        "toy",
        "Glossy moulded plastic under softboxes",
        light="studio",
        color_saturation=1.15,
        color_lightness=0.05,
        material=Material(roughness=0.22, specular=0.6, clearcoat=0.6),
        grade=Grade(0.1, 1.0, 1.04, vignette=0.1, bloom=0.06),
    ),
    Style(
        "porcelain",
        "White glazed porcelain on deep blue",
        light="studio",
        ground="#1f3558",
        ground_roughness=0.3,
        color="#e6e3dc",
        material=Material(roughness=0.12, clearcoat=1.0),
        accents=False,
        grade=Grade(-0.1, 1.05, vignette=0.25),
    ),
    Style(
        "gilded",
        "Everything in polished gold on black",
        light="studio",
        ground="#17161a",
        ground_roughness=0.22,
        color="#e8b455",
        material=Material(roughness=0.2, metallic=1.0),
        accents=False,
        grade=Grade(0.1, 1.1, 1.05, vignette=0.3, bloom=0.12),
    ),
    Style(
        "crystal",
        "Coloured glass",
        light="studio",
        color_lightness=0.15,
        material=Material(roughness=0.03, transmission=1.0),
        grade=Grade(0.1, 1.05, 1.1, vignette=0.15, bloom=0.08),
    ),
    Style(
        "vintage",
        "Faded print: warm, low contrast, a little grain",
        grade=Grade(0.05, 0.88, 0.72, (1.06, 1.0, 0.86), (0.03, 0.022, 0.03), 0.35, 0.08, 0.013),
    ),
)


def style_named(name: str) -> Style:
    """The style of that name.

    Raises:
        InvalidInput: There is none.
    """
    for style in STYLES:
        if style.name == name:
            return style
    known = ", ".join(style.name for style in STYLES)
    raise InvalidInput(f"no such style: {name!r}; known styles are {known}")


def style_cards() -> tuple[StyleCard, ...]:
    """What callers see of the styles."""
    return tuple(StyleCard(name=style.name, description=style.description) for style in STYLES)
