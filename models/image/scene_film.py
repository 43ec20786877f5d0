"""Scenes in motion as films: frames rendered one by one, kept in segments, joined at the end."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.capability import Run
from models.core.errors import InvalidInput
from models.core.xmp import iso_box
from models.image.render import Renderer, samples_for
from models.image.render.encode import picture
from models.image.render.lights import Lighting
from models.image.render.motion import moments
from models.image.schema import ImageRequest, Motion, Scene
from models.image.styles import Style
from models.media.codecs import choose_encoder
from models.media.join import join
from models.media.reel import Reel, Shot
from models.media.size import Size

MEDIA_TYPE = "video/mp4"

Paint = Callable[[int], NDArray[np.uint8]]
"""The frame of a number, `(H, W, 3)` sRGB."""


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

    key = hashlib.sha256(
        xmp + request.model_dump_json().encode() + scene.model_dump_json().encode()
    )
    return film(paint, motion, size, folder / f"{key.hexdigest()}-{seed}", xmp, run)


def film(
    paint: Paint, motion: Motion, size: tuple[int, int], folder: Path, xmp: bytes, run: Run
) -> bytes:
    """Frames as one file; see `film_scene`."""
    frame_size, rate = Size(*size), Fraction(motion.fps)
    if frame_size.width % 2 or frame_size.height % 2:
        raise InvalidInput("both sides of a film must be even")
    encoder = choose_encoder("h264", frame_size)
    reel = Reel(folder, Shot(encoder, frame_size, frame_size, rate, motion.frames))

    def source(number: int) -> Iterator[NDArray[np.uint8]]:
        run.check()
        run.progress(number / motion.frames, "film")
        yield paint(number)

    for _ in reel.shoot(source):
        run.check()
    target = folder / "film.mp4"
    join(reel.chunks(), target, "mp4", rate)
    content = target.read_bytes() + iso_box(xmp)
    reel.remove()
    run.progress(1.0, "done")
    return content
