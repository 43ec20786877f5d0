"""The picture of a request and how far away everything in it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from models.core.artifacts import ArtifactStore
from models.core.capability import Run
from models.core.errors import InvalidInput
from models.image.sources import MAX_PIXELS, NO_PICTURE, open_picture, read_bytes
from models.video.layers.depth_files import EXR_MAGIC, Metres, levels_of_png, read_exr, shown
from models.video.nerf.arrays import Bytes, Floats
from models.video.picture import NO_DEPTH, DeepPicture, Depth

if TYPE_CHECKING:
    from models.video.layers.estimator import Estimator

NEAR_M, FAR_M = 1.5, 6.0
"""Distances that are assumed where a request names none."""
ASSUMED: Final = (
    f"distances were not given: what is nearest is taken to be {NEAR_M:g} m away and what is "
    f"farthest {FAR_M:g} m"
)
PROPORTIONS: Final = 0.03
"""How much those of picture and depth may differ."""


def read_picture(
    asked: DeepPicture, owner: str, store: ArtifactStore
) -> tuple[Bytes, Metres | None]:
    """The picture, and the depth in its file."""
    content = read_bytes(asked.image, owner, store)
    if not content.startswith(EXR_MAGIC):
        image = open_picture(content, MAX_PIXELS)
        if image is None:
            raise InvalidInput(NO_PICTURE)
        return np.asarray(image, np.uint8), None
    light, metres = read_exr(content)
    if light is None:
        raise InvalidInput("the picture's .exr file has no channels R, G and B")
    return shown(light), metres


def nearness_of(
    asked: DeepPicture,
    own: Metres | None,
    picture: Bytes,
    tangents: tuple[float, float],
    store: ArtifactStore,
    estimator: "Callable[[], Estimator | None]",
    run: Run,
) -> tuple[Floats, str, tuple[str, ...]]:
    """1 / distance along the axis as the depth has it, where it is from, what was assumed."""
    if asked.depth is not None:
        nearness, lacking = _given(asked.depth, tangents, run.owner, store)
        _check_proportions(picture, nearness)
        return nearness, "given", lacking
    if own is not None:
        return own.nearness(tangents), "own", ()
    model = estimator()
    if model is None:
        raise InvalidInput(NO_DEPTH)
    run.progress(0.0, "depth")
    found, source = model.estimate(picture, run.check), f"estimated by {model.name}"
    if model.metric:
        return np.asarray(1 / found, np.float32), source, ()
    return _spread(found, NEAR_M, FAR_M), source, (ASSUMED,)


def _given(
    depth: Depth, tangents: tuple[float, float], owner: str, store: ArtifactStore
) -> tuple[Floats, tuple[str, ...]]:
    content = read_bytes(depth, owner, store)
    if content.startswith(EXR_MAGIC):
        _, metres = read_exr(content)
        if metres is None:
            raise InvalidInput("the depth's .exr file has no channel depth.Z or Z")
        return metres.nearness(tangents), ()
    levels = levels_of_png(content)
    near, far = depth.near_m or NEAR_M, depth.far_m or FAR_M
    lacking = (ASSUMED,) if depth.near_m is None else ()
    if depth.spacing == "inverse":
        return _spread(levels, near, far), lacking
    return np.asarray(1 / (near + (far - near) * levels), np.float32), lacking


def _spread(levels: Floats, near_m: float, far_m: float) -> Floats:
    """Nearness of values that are even in it, 1 being nearest."""
    return np.asarray(1 / far_m + (1 / near_m - 1 / far_m) * levels, np.float32)


def _check_proportions(picture: Bytes, nearness: Floats) -> None:
    (h, w), (high, wide) = picture.shape[:2], nearness.shape
    if abs(w * high / (h * wide) - 1) > PROPORTIONS:
        raise InvalidInput(f"the picture is {w}x{h}, but its depth {wide}x{high}")


def resized(nearness: Floats, size: tuple[int, int]) -> Floats:
    """Without values between two surfaces where it becomes smaller."""
    smaller = size[0] < nearness.shape[1]
    how = Image.Resampling.NEAREST if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(nearness).resize(size, how), np.float32)
