"""Photographs of the two balls as a user would upload them."""

import io
import math
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from models.core.artifacts import ArtifactStore, Provenance
from models.video.nerf.views import Views
from tests.unit.video.scenes import balls_views

NAMES = "images/ball_{:02d}.png"


def uploaded(store: ArtifactStore, owner: str, views: Views) -> list[dict[str, str]]:
    """The pictures as assets of an owner, each with its file name."""
    found = []
    for number in range(len(views.cameras)):
        buffer = io.BytesIO()
        pixels = (views.rgba(number) * 255 + 0.5).astype(np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        asset = store.put(
            buffer.getvalue(),
            owner=owner,
            media_type="image/png",
            filename=PurePosixPath(NAMES.format(number)).name,
            provenance=Provenance(capability="assets", backend="upload"),
        )
        found.append({"asset_id": asset.id})
    return found


def transforms(views: Views) -> dict[str, Any]:
    """What nerfstudio writes of their cameras."""
    camera = views.cameras[0]
    return {
        "camera_angle_x": math.radians(camera.fov_y_deg),
        "w": camera.width,
        "h": camera.height,
        "frames": [
            {"file_path": NAMES.format(number), "transform_matrix": one.pose.tolist()}
            for number, one in enumerate(views.cameras)
        ],
        "applied_scale": 1.0,
    }


def capture(store: ArtifactStore, owner: str, count: int = 14, side: int = 32) -> dict[str, Any]:
    """The `photos` of a request."""
    views = balls_views(count, side)
    return {"images": uploaded(store, owner, views), "transforms": transforms(views)}
