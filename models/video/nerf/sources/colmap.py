"""COLMAP's text models: `cameras.txt` and `images.txt`."""

from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from models.core.errors import InvalidInput
from models.video.nerf.sources.files import Files
from models.video.nerf.sources.pictures import Lens
from models.video.nerf.sources.posed import Shot, views_of_shots
from models.video.nerf.views import Views

CAMERAS, IMAGES = "cameras.txt", "images.txt"
SCALE = "lengths are the reconstruction's own: COLMAP does not know metres"
PARAMETERS = {
    "SIMPLE_PINHOLE": 3,
    "PINHOLE": 4,
    "SIMPLE_RADIAL": 4,
    "RADIAL": 5,
    "OPENCV": 8,
}


def views_of_colmap(files: Files, folder: str, check: Callable[[], None]) -> Views:
    """Views of a sparse text model, turned so that the cameras' mean upward direction is z.

    Args:
        files: Hold the model and, anywhere, the pictures.
        folder: Of the model.
        check: Called between pictures.

    Raises:
        InvalidInput: The model or a picture cannot be used; says which.

    Source: the formats in COLMAP's documentation, "Output Format".
    """
    known = {PurePosixPath(name).name: name for name in files.names()}
    try:
        cameras = dict(map(_camera, _lines(files, folder, CAMERAS)))
        rows = [line.split(maxsplit=9) for line in _image_lines(files, folder)]
        poses = [_pose([float(value) for value in row[1:8]]) for row in rows]
        lenses = [cameras[row[8]] for row in rows]
        names = [row[9].strip() for row in rows]
    except (ValueError, KeyError, IndexError) as error:
        raise InvalidInput(f"the COLMAP model is not as expected: {error!r}") from error
    upright = _upright(poses)
    shots = []
    for name, pose, lens in zip(names, poses, lenses, strict=True):
        file = known.get(PurePosixPath(name).name)
        if file is None:
            raise InvalidInput(f"there is no picture {name!r}")
        shots.append(Shot(file, upright @ pose, lambda _w, _h, lens=lens: lens))  # type: ignore[misc]
    shots.sort(key=lambda shot: shot.name)
    return views_of_shots(files, shots, set(), check, (SCALE,))


def _lines(files: Files, folder: str, name: str) -> list[str]:
    text = files.read((PurePosixPath(folder) / name).as_posix()).decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _image_lines(files: Files, folder: str) -> list[str]:
    """The first of the two lines of every image; the second, its points, may be empty."""
    text = files.read((PurePosixPath(folder) / IMAGES).as_posix()).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in lines[::2] if line.strip()]


def _camera(line: str) -> tuple[str, Lens]:
    number, model, *rest = line.split()
    if model not in PARAMETERS:
        raise InvalidInput(
            f"the camera model {model} is not read; expected one of {', '.join(PARAMETERS)}: "
            "run COLMAP's image_undistorter first"
        )
    width, height, *p = (float(value) for value in rest)
    if len(p) != PARAMETERS[model]:
        raise InvalidInput(f"camera {number}: {model} has {PARAMETERS[model]} parameters")
    if model in ("PINHOLE", "OPENCV"):
        fx, fy, cx, cy, *bends = p
    else:
        fx, cx, cy, *bends = p
        fy = fx
    k1, k2, p1, p2 = (*bends, 0.0, 0.0, 0.0, 0.0)[:4]
    return number, Lens(width, height, fx, fy, cx, cy, (k1, k2), (p1, p2))


def _pose(values: list[float]) -> NDArray[np.float64]:
    """Camera to world with our axes from the world to camera of COLMAP (y down, z ahead)."""
    q, t = np.array(values[:4]), np.array(values[4:])
    w, x, y, z = q / np.linalg.norm(q)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    pose = np.eye(4)
    pose[:3, :3] = turn.T @ np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = -turn.T @ t
    return pose


def _upright(poses: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The shortest turn `(4, 4)` that makes the cameras' mean upward direction z."""
    up = np.mean([pose[:3, 1] for pose in poses], 0)
    up /= max(float(np.linalg.norm(up)), 1e-9)
    axis, cosine = np.cross(up, [0.0, 0.0, 1.0]), float(up[2])
    matrix = np.eye(4)
    if cosine < -0.9999:
        matrix[:3, :3] = np.diag([1.0, -1.0, -1.0])
        return matrix
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    matrix[:3, :3] += skew + skew @ skew / (1 + cosine)
    return matrix
