"""What a prompt settles about a scene; all else is left to imagination."""

from dataclasses import dataclass

from models.image.scene.lexicon import Oklab

MAX_DRAWN = 6


@dataclass(frozen=True)
class Wanted:
    """One object to draw; `None` where the prompt leaves it open.

    Attributes:
        shape: Index in SHAPE_NAMES.
        group: Copies that were named together share this number and their looks.
        color: As stated, or as the stated material or the noun implies.
        surface: Index of a material.
        size: Index in SIZE_NAMES.
    """

    shape: int
    group: int = 0
    color: Oklab | None = None
    surface: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class Placement:
    """Object `figure` stands in `relation` to the objects `grounds`."""

    figure: int
    relation: str
    grounds: tuple[int, ...]


@dataclass(frozen=True)
class Brief:
    """Everything a prompt settles.

    Attributes:
        objects: In the order of mention.
        placements: Between objects.
        arrangement: `row`, `stack` or `circle` of all objects.
        ground_color: Colour of the plane.
        ground_surface: Index of its material.
        light: Index in LIGHT_NAMES.
        elevation: `above` or `low`.
        framing: `close` or `wide`.
    """

    objects: tuple[Wanted, ...]
    placements: tuple[Placement, ...] = ()
    arrangement: str | None = None
    ground_color: Oklab | None = None
    ground_surface: int | None = None
    light: int | None = None
    elevation: str | None = None
    framing: str | None = None
