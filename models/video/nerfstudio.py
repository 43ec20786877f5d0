"""nerfstudio's camera paths, in and out; both worlds have z up and cameras that look down -z."""

import numpy as np

from models.core.errors import InvalidInput
from models.media.size import Size
from models.video.flight import Flight
from models.video.path import CameraPath, Keyframe, NerfstudioPath
from models.video.spline import Array


def from_nerfstudio(given: NerfstudioPath) -> CameraPath:
    """Our path through the cameras, which lie at equal times.

    Raises:
        InvalidInput: A camera's matrix is no pose.
    """
    count = len(given.camera_path)
    # Its editor writes one camera a frame; the last of a loop is a step before the first.
    step = given.seconds / (count if given.is_cycle else max(1, count - 1))
    keys = []
    for index, one in enumerate(given.camera_path):
        pose = np.array(one.camera_to_world).reshape(4, 4)
        # Its matrices are rounded; the nearest rotation is what was meant.
        left, scale, right = np.linalg.svd(pose[:3, :3])
        if np.abs(scale - 1).max() > 0.01 or np.linalg.det(left @ right) < 0:
            raise InvalidInput(f"camera_path/{index}/camera_to_world is no pose")
        pose[:3, :3] = left @ right
        keys.append(
            Keyframe(time_s=min(index * step, given.seconds), pose=_rows(pose), fov_deg=one.fov)
        )
    return CameraPath(
        duration_s=given.seconds,
        fps=given.fps,
        loop=given.is_cycle and count > 1,
        projection=given.camera_type,
        keyframes=tuple(keys),
    )


def to_nerfstudio(path: CameraPath, size: Size) -> NerfstudioPath:
    """One camera for every frame, as its renderer expects."""
    flight = Flight(path)
    moments = [flight.at_frame(number) for number in range(flight.frames)]
    cameras = [
        {
            "camera_to_world": [round(float(value), 9) for value in moment.pose.ravel()],
            "fov": moment.fov_deg,
            "aspect": size.width / size.height,
        }
        for moment in moments
    ]
    return NerfstudioPath.model_validate(
        {
            "camera_type": path.projection,
            "camera_path": cameras[:2000],
            "fps": path.fps,
            "seconds": path.duration_s,
            "render_width": size.width,
            "render_height": size.height,
            "is_cycle": path.loop,
        }
    )


def _rows(pose: Array) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in pose)
