"""`transforms.json` as nerfstudio, instant-ngp and the Blender scenes write it."""

import json
import math
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from models.core.errors import InvalidInput
from models.video.nerf.sources.files import Files, FolderFiles
from models.video.nerf.sources.pictures import Lens
from models.video.nerf.sources.posed import Shot, views_of_shots
from models.video.nerf.views import Views

NAME = "transforms.json"
ENDINGS = ("", ".png", ".jpg", ".jpeg", ".webp")
UNBENT = ("k3", "k4", "k5", "k6")
NUMBERS = (
    "w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y", "k1", "k2", "p1", "p2",
)  # fmt: skip
MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")


def views_of_folder(folder: Path) -> Views:
    """Views of a folder that holds a `transforms.json`."""
    return views_of_transforms(FolderFiles(folder), NAME, lambda: None)


def views_of_transforms(files: Files, name: str, check: Callable[[], None]) -> Views:
    """Views that a `transforms.json` describes.

    Its axes are ours: x to the right, y up, looking down -z, and z up in the world. Intrinsics
    stand in each frame (nerfstudio), once for all, or as `camera_angle_x` (Blender). Held out is
    what `test_filenames` or `val_filenames` say, else every eighth.

    Args:
        files: Hold it and the pictures, which are named relative to it.
        name: Of the file.
        check: Called between pictures.

    Raises:
        InvalidInput: The file or a picture cannot be used; says which.
        TooLarge: There are too many or too large pictures.
    """
    try:
        meta = json.loads(files.read(name))
        frames = list(meta["frames"])
        known, folder = set(files.names()), PurePosixPath(name).parent
        shots = [_shot(meta, frame, known, folder) for frame in frames]
        said = meta.get("test_filenames") or meta.get("val_filenames") or ()
        held_out = {_found(str(each), known, folder) for each in said}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"{name!r} is not as expected: {error!r}") from error
    return views_of_shots(files, shots, held_out, check)


def _shot(
    meta: dict[str, Any], frame: dict[str, Any], known: set[str], folder: PurePosixPath
) -> Shot:
    both = {**meta, **frame}
    model = str(both.get("camera_model", "OPENCV"))
    if model not in MODELS or both.get("is_fisheye"):
        raise InvalidInput(f"the camera model {model!r} is not read; undistort the pictures first")
    if any(float(both.get(k, 0)) for k in UNBENT):
        raise InvalidInput("distortion beyond k1, k2, p1, p2 is not read; undistort first")
    pose = np.array(frame["transform_matrix"], np.float64)
    if pose.shape not in ((3, 4), (4, 4)):
        raise InvalidInput("a transform_matrix must have 3 or 4 rows of 4 numbers")
    whole = np.eye(4)
    whole[:3] = pose[:3]
    # Some writers scale the axes; a camera's pose has none.
    whole[:3, :3] /= np.cbrt(abs(np.linalg.det(whole[:3, :3])) or 1.0)
    return Shot(_found(str(frame["file_path"]), known, folder), whole, _lens_of(both))


def _lens_of(values: dict[str, Any]) -> Callable[[int, int], Lens]:
    said = {name: float(values[name]) for name in NUMBERS if values.get(name) is not None}

    def lens(width: int, height: int) -> Lens:
        w, h = said.get("w", float(width)), said.get("h", float(height))
        if "fl_x" in said or "fl_y" in said:
            fx = said.get("fl_x") or said["fl_y"]
            fy = said.get("fl_y", fx)
        elif said.get("camera_angle_x"):
            fx = 0.5 * w / math.tan(0.5 * said["camera_angle_x"])
            fy = (
                0.5 * h / math.tan(0.5 * said["camera_angle_y"]) if "camera_angle_y" in said else fx
            )
        else:
            raise InvalidInput("neither fl_x nor camera_angle_x is given")
        k1, k2, p1, p2 = (said.get(name, 0.0) for name in ("k1", "k2", "p1", "p2"))
        centre = said.get("cx", w / 2), said.get("cy", h / 2)
        return Lens(w, h, fx, fy, *centre, (k1, k2), (p1, p2))

    return lens


def _found(path: str, known: set[str], folder: PurePosixPath) -> str:
    """The file that a frame names: relative to the JSON, with or without its ending."""
    if ".." in PurePosixPath(path).parts or path.startswith("/"):
        raise InvalidInput(f"the name {path!r} points outside")
    plain = (folder / path).as_posix()
    for ending in ENDINGS:
        if plain + ending in known:
            return plain + ending
    raise InvalidInput(f"there is no picture {path!r}")
