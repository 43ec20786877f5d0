"""The shapes a scene is made of, as proportions shared by layout and meshes."""

from typing import Literal, NamedTuple, get_args

ShapeName = Literal[
    "sphere", "cube", "cylinder", "cone", "torus", "pyramid", "capsule", "egg", "disc", "plate",
    "bowl", "mug", "bottle", "vase", "teapot", "table", "chair", "stool", "bench", "lamp",
    "candle", "tree", "house", "tower", "arch", "column", "stairs", "mushroom", "snowman", "rocket",
    "car", "boat", "star", "heart", "gem", "dumbbell", "hourglass", "book", "crate", "barrel",
]  # fmt: skip
SHAPE_NAMES: tuple[ShapeName, ...] = get_args(ShapeName)


class Proportions(NamedTuple):
    """A shape's bounds in units of its `size_m`, and the size it usually has.

    Attributes:
        radius: Of the smallest upright cylinder around the shape, centred on its axis.
        height: From the base to the highest point.
        typical_size_m: `size_m` where the prompt says nothing of size. Sizes are those of a
            table-top world, so that a mug and a house fill one picture.
    """

    radius: float
    height: float
    typical_size_m: float


PROPORTIONS: dict[ShapeName, Proportions] = {
    "sphere": Proportions(1.00, 2.00, 0.45),
    "cube": Proportions(1.20, 1.70, 0.45),
    "cylinder": Proportions(0.75, 1.90, 0.48),
    "cone": Proportions(0.90, 1.95, 0.50),
    "torus": Proportions(1.00, 0.56, 0.52),
    "pyramid": Proportions(1.20, 1.60, 0.52),
    "capsule": Proportions(0.55, 2.00, 0.48),
    "egg": Proportions(0.74, 2.00, 0.44),
    "disc": Proportions(1.00, 0.25, 0.46),
    "plate": Proportions(1.00, 0.22, 0.55),
    "bowl": Proportions(1.00, 0.95, 0.48),
    "mug": Proportions(1.00, 1.45, 0.40),
    "bottle": Proportions(0.42, 2.00, 0.58),
    "vase": Proportions(0.72, 2.00, 0.54),
    "teapot": Proportions(1.30, 1.40, 0.46),
    "table": Proportions(1.15, 1.15, 0.75),
    "chair": Proportions(0.72, 2.00, 0.62),
    "stool": Proportions(0.62, 1.45, 0.52),
    "bench": Proportions(1.15, 0.80, 0.70),
    "lamp": Proportions(0.70, 2.00, 0.60),
    "candle": Proportions(0.32, 1.90, 0.44),
    "tree": Proportions(0.85, 2.20, 0.78),
    "house": Proportions(1.20, 1.70, 0.74),
    "tower": Proportions(0.50, 2.40, 0.80),
    "arch": Proportions(1.05, 1.75, 0.66),
    "column": Proportions(0.42, 2.20, 0.70),
    "stairs": Proportions(1.10, 1.30, 0.60),
    "mushroom": Proportions(0.85, 1.70, 0.46),
    "snowman": Proportions(0.65, 2.10, 0.58),
    "rocket": Proportions(0.62, 2.30, 0.66),
    "car": Proportions(1.15, 0.80, 0.62),
    "boat": Proportions(1.20, 1.50, 0.62),
    "star": Proportions(0.95, 1.85, 0.48),
    "heart": Proportions(0.95, 1.75, 0.48),
    "gem": Proportions(0.90, 1.30, 0.42),
    "dumbbell": Proportions(1.05, 0.80, 0.46),
    "hourglass": Proportions(0.62, 2.00, 0.50),
    "book": Proportions(0.95, 0.32, 0.50),
    "crate": Proportions(1.20, 1.40, 0.46),
    "barrel": Proportions(0.75, 1.90, 0.50),
}
