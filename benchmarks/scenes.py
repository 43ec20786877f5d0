"""Hand-written scenes that show shapes, materials, lights and styles at their best."""

from typing import Any, NamedTuple

from models.image.schema import Scene

CHROME = {"roughness": 0.05, "metallic": 1.0}
GOLD = {"roughness": 0.2, "metallic": 1.0}
GLASS = {"roughness": 0.02, "transmission": 1.0}
GLAZE = {"roughness": 0.15, "clearcoat": 0.8}
SATIN = {"roughness": 0.4}
MATTE = {"roughness": 0.8}


class Shot(NamedTuple):
    """A scene and the style that it is shown in."""

    scene: Scene
    style: str


def thing(
    shape: str,
    color: str,
    material: dict[str, float],
    size_m: float,
    position: tuple[float, float] = (0.0, 0.0),
    yaw_deg: float = 0.0,
    on: int | None = None,
) -> dict[str, Any]:
    """One object, as the contract writes it."""
    return {
        "shape": shape,
        "color": color,
        "material": material,
        "size_m": size_m,
        "position": position,
        "yaw_deg": yaw_deg,
        "on": on,
    }


def shot(
    things: list[dict[str, Any]],
    light: str,
    ground: str = "#b0aca6",
    style: str = "photo",
    roughness: float = 0.6,
    **camera: float,
) -> Shot:
    """A scene from plain values."""
    scene = {
        "objects": things,
        "light": light,
        "ground": {"color": ground, "roughness": roughness},
        "camera": camera,
    }
    return Shot(Scene.model_validate(scene), style)


def shots() -> tuple[Shot, ...]:
    """Twelve pictures."""
    return (
        shot(
            [
                thing("table", "#8a5a33", SATIN, 0.85),
                thing("teapot", "#d7dade", CHROME, 0.32, (0.08, 0.1), 15, on=0),
                thing("sphere", "#c8321e", GLAZE, 0.12, (-0.42, -0.22), 0, on=0),
                thing("sphere", "#b02418", GLAZE, 0.11, (-0.2, -0.34), 0, on=0),
                thing("mug", "#2f6f8f", GLAZE, 0.16, (0.5, -0.2), 20, on=0),
            ],
            "sky",
            "#c9c4bb",
            elevation_deg=20,
        ),
        shot(
            [
                thing("house", "#e9d8b4", MATTE, 0.8, (-0.1, 0.3)),
                thing("tree", "#3f7a35", MATTE, 0.75, (-1.45, 0.35)),
                thing("tree", "#5b8f36", MATTE, 0.6, (1.25, 0.75)),
                thing("car", "#c3271f", GLAZE, 0.42, (0.75, -0.75)),
            ],
            "sun",
            "#8fae62",
            roughness=0.9,
            elevation_deg=18,
        ),
        shot(
            [
                thing("gem", "#39c6d8", GLASS, 0.46, (0.0, 0.0)),
                thing("sphere", "#f2c6d8", GLASS, 0.3, (-0.62, -0.2)),
                thing("torus", "#e3b04b", GOLD, 0.32, (0.62, -0.3)),
            ],
            "studio",
            "#24304a",
            "studio",
            0.3,
            elevation_deg=16,
        ),
        shot(
            [
                thing("candle", "#f3ead7", SATIN, 0.5, (-0.45, 0.1)),
                thing("candle", "#f3ead7", SATIN, 0.36, (-0.1, -0.2)),
                thing("book", "#6b1f2a", SATIN, 0.5, (0.62, 0.1)),
                thing("book", "#1f4a3a", SATIN, 0.42, (0.6, 0.1), 18, on=2),
                thing("sphere", "#d9a441", GOLD, 0.16, (0.58, 0.08), 0, on=3),
            ],
            "night",
            "#8f6a48",
            roughness=0.35,
            elevation_deg=18,
        ),
        shot(
            [
                thing("rocket", "#f0efe9", GLAZE, 0.8, (0.0, 0.1)),
                thing("star", "#f2b632", SATIN, 0.26, (-0.95, 0.2), -8),
                thing("star", "#f2b632", SATIN, 0.2, (0.9, -0.1), 10),
            ],
            "studio",
            "#d9482b",
            "toy",
            elevation_deg=12,
        ),
        shot(
            [
                thing("snowman", "#f4f7fa", MATTE, 0.7, (0.0, 0.0), -8),
                thing("tree", "#2d5e46", MATTE, 0.8, (-1.2, 0.7)),
                thing("tree", "#37705a", MATTE, 0.6, (1.1, 0.6)),
            ],
            "sunset",
            "#e8edf2",
            roughness=0.9,
            elevation_deg=13,
        ),
        shot(
            [
                thing("mushroom", "#c42a22", GLAZE, 0.62, (0.0, 0.1)),
                thing("mushroom", "#d4622a", GLAZE, 0.34, (0.78, -0.2), 40),
                thing("mushroom", "#b8452c", GLAZE, 0.26, (-0.72, -0.25), 80),
            ],
            "sun",
            "#6f7d3c",
            roughness=0.95,
            elevation_deg=14,
        ),
        shot(
            [
                thing("vase", "#1f4e8c", GLAZE, 0.6, (-0.1, 0.15)),
                thing("bowl", "#e8e3d6", GLAZE, 0.36, (0.78, -0.25)),
                thing("sphere", "#e8a11c", SATIN, 0.15, (0.78, -0.25), 0, on=1),
                thing("egg", "#d8b08c", MATTE, 0.16, (-0.72, -0.4)),
            ],
            "sky",
            "#d8c3a5",
            elevation_deg=15,
        ),
        shot(
            [
                thing("teapot", "#ffffff", SATIN, 0.42, (-0.55, 0.1)),
                thing("cube", "#ffffff", SATIN, 0.36, (0.3, 0.35)),
                thing("cone", "#ffffff", SATIN, 0.34, (0.95, -0.3)),
                thing("torus", "#ffffff", SATIN, 0.3, (-0.1, -0.6)),
            ],
            "studio",
            style="clay",
            elevation_deg=20,
        ),
        shot(
            [
                thing("boat", "#2a6f97", GLAZE, 0.75, (0.0, 0.0)),
                thing("tower", "#c9bfae", MATTE, 0.75, (1.45, 0.9)),
            ],
            "sunset",
            "#3d6b7d",
            "golden-hour",
            0.16,
            elevation_deg=11,
        ),
        shot(
            [
                thing("crate", "#b07a43", MATTE, 0.5, (0.1, 0.2)),
                thing("barrel", "#8a5a2e", MATTE, 0.5, (-0.95, 0.1)),
                thing("lamp", "#e2b25a", SATIN, 0.42, (0.1, 0.2), 0, on=0),
            ],
            "night",
            "#6b5a48",
            elevation_deg=14,
        ),
        shot(
            [
                thing("heart", "#e4405f", CHROME, 0.5, (-0.1, 0.0)),
                thing("sphere", "#d6d9dd", CHROME, 0.22, (0.75, -0.15)),
                thing("sphere", "#f2a7b8", GLAZE, 0.15, (-0.8, -0.3)),
            ],
            "studio",
            "#f0c9cf",
            "studio",
            0.25,
            elevation_deg=13,
        ),
    )
