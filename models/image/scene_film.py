"""Scenes in motion as films."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.capability import Run
from models.image.films import film
from models.image.render import Renderer, samples_for
from models.image.render.encode import picture
from models.image.render.lights import Lighting
from models.image.render.motion import moments
from models.image.schema import ImageRequest, Scene
from models.image.styles import Style


def film_scene(
    renderer: Renderer,
    scene: Scene,
    style: Style,
    lighting: Lighting,
    request: ImageRequest,
    seed: int,
    folder: Path,
    xmp: bytes,
    run: Run,
) -> bytes:
    """A film of a scene in motion, H.264 in MP4.

    Frames that were finished before a crash are not rendered again.

    Args:
        renderer: Traces the frames.
        scene: What stands where at first.
        style: Dresses and grades it.
        lighting: Its light at first.
        request: Size, quality and motion.
        seed: Of all frames, so that noise does not flicker.
        folder: Keeps unfinished films.
        xmp: Packet of provenance.
        run: Is polled, and told of the progress.

    Raises:
        Cancelled: Nobody waits for it any more; what is finished is kept.
        InvalidInput: A side is odd.
    """
    motion = request.motion
    assert motion is not None  # noqa: S101 - the request was validated
    size = (request.width_px, request.height_px)
    poses = tuple(moments(scene, motion, style, size, lighting))
    samples = samples_for(request.quality)

    def paint(number: int) -> NDArray[np.uint8]:
        pose = poses[number]
        job = renderer.job(pose.scene, size, samples, seed, style)
        job = replace(job, lighting=pose.lighting, view=pose.view)
        rendering = renderer.shoot(job, cancelled=run.cancelled)
        return np.asarray(picture(rendering, style))

    asked = (xmp.decode(), run.owner, request.model_dump_json(), scene.model_dump_json())
    key = hashlib.sha256("\n".join(asked).encode())
    return film(paint, motion, size, folder / f"{key.hexdigest()}-{seed}", xmp, run)
