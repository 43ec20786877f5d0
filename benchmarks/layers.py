"""Films of a picture with depth: `python -m benchmarks.layers`.

Scenes are traced from one place, taken apart by their true depth, and seen from places nearby, where
they are traced as well. Beside it: one sheet that is never torn, and layers with nothing made up
behind them. Then CPU seconds of frames, alone on one thread.
"""

import math
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.machine import report
from models.image.render import Renderer
from models.image.render.grade import displayed
from models.image.schema import Camera as SceneCamera
from models.image.schema import Scene, SceneObject
from models.image.styles import Grade, style_named
from models.media.size import Size
from models.video.camera import Camera
from models.video.layers import stack
from models.video.layers.arrays import WHOLE, Stack
from models.video.layers.depth_files import Metres
from models.video.layers.sight import Onlooker
from models.video.layers.stack import stack_of
from models.video.nerf.arrays import Bytes, Floats

SIZE: Final = Size(480, 270)
SAMPLES: Final = 32
PLACES: Final = ((0.05, 0, 0), (-0.1, 0, 0), (0, 0.05, 0), (0, 0, 0.15), (0.06, 0.03, 0.05))
"""Right, up and ahead, in distances of the subject."""
BAND_ROWS: Final = 64
SCENES: Final = (
    Scene(
        objects=(
            SceneObject(shape="teapot", color="#c03030", position=(-0.5, 0)),
            SceneObject(shape="sphere", color="#30a050", position=(0.6, -0.5), size_m=0.4),
            SceneObject(shape="cube", color="#3050c0", position=(0.5, 1.2), size_m=0.9),
        ),
        camera=SceneCamera(fov_deg=40),
    ),
    Scene(
        objects=(
            SceneObject(shape="cube", color="#c0a030", size_m=0.5),
            SceneObject(shape="cylinder", color="#30a0a0", position=(-0.7, 1.5), size_m=0.8),
            SceneObject(shape="cone", color="#a030c0", position=(0.9, 2.2), size_m=1.2),
        ),
        light="studio",
        camera=SceneCamera(fov_deg=50, elevation_deg=12),
    ),
)


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as folder:
        renderer = Renderer(None, Path(folder))
        found = [figures for scene in SCENES for figures in compared(renderer, scene)]
        colour, nearness, tangents = taken(renderer, SCENES[0])
    means = np.mean(found, 0)
    names = ("psnr_layers_db", "psnr_one_sheet_db", "psnr_none_behind_db", "psnr_still_db")
    report(
        {
            **{name: round(float(mean), 2) for name, mean in zip(names, means, strict=True)},
            "psnr_layers_worst_db": round(float(np.min(found, 0)[0]), 2),
            "n": len(found),
            **speed(colour, nearness, tangents),
            "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        }
    )


def taken(
    renderer: Renderer, scene: Scene, place: tuple[float, float, float] = (0, 0, 0)
) -> tuple[Bytes, Floats, tuple[float, float]]:
    """Picture, nearness and tangents of a scene, traced from beside its camera."""
    job = renderer.job(scene, SIZE, SAMPLES, 7, style_named("photo"))
    view = job.view
    axes = np.stack([view.right, view.up, view.ahead])
    eye = view.eye + np.array(place) @ axes * view.distance_m
    out = renderer.shoot(replace(job, view=replace(view, eye=eye)))
    light = displayed(out.color, Grade(vignette=0, bloom=0), 1.0)
    tangents = (view.tangent_x, view.tangent_y)
    nearness = Metres(out.depth, along_rays=True).nearness(tangents)
    return (light * 255 + 0.5).astype(np.uint8), nearness, tangents


def compared(renderer: Renderer, scene: Scene) -> list[tuple[float, ...]]:
    """PSNR at each place: of layers, of one sheet, of nothing behind, of the picture itself."""
    colour, nearness, tangents = taken(renderer, scene)
    layers = stack_of(colour, nearness, tangents)
    with mock.patch.object(stack, "JUMP", 1e3):
        sheet = stack_of(colour, nearness, tangents)
    bare = layers._replace(
        nearness=layers.nearness[:1],
        colour=layers.colour[:1],
        made=layers.made[:1],
        squares=np.where(layers.squares[:1] == WHOLE, layers.squares[:1], 0),
    )
    distance = renderer.job(scene, SIZE, SAMPLES, 7, style_named("photo")).view.distance_m
    found = []
    for place in PLACES:
        truth, _, _ = taken(renderer, scene, place)
        pose = np.eye(4)
        pose[:3, 3] = np.array(place) * distance * [1, 1, -1]
        seen = [_seen(one, pose, tangents) for one in (layers, sheet, bare)]
        found.append(tuple(psnr_db(one, truth) for one in (*seen, colour)))
    return found


def _seen(one: Stack, pose: Floats, tangents: tuple[float, float]) -> Floats:
    camera = Camera(pose, 2 * math.degrees(math.atan(tangents[1])), *SIZE)
    return Onlooker(one, np.eye(4)).view(camera).band(range(SIZE.height)).colour


def psnr_db(one: Floats | Bytes, other: Floats | Bytes) -> float:
    """Of 8-bit pictures."""
    return 10 * math.log10(255**2 / float(np.mean((np.asarray(one, float) - other) ** 2)))


def speed(colour: Bytes, nearness: Floats, tangents: tuple[float, float]) -> dict[str, float]:
    """CPU seconds of taking a picture of 1080p apart, and of a frame of 1080p and of 8K."""
    large = (1920, 1080)
    picture = np.asarray(Image.fromarray(colour).resize(large, Image.Resampling.LANCZOS))
    near = np.asarray(Image.fromarray(nearness).resize(large, Image.Resampling.BILINEAR))
    started = time.process_time()
    onlooker = Onlooker(stack_of(picture, near, tangents), np.eye(4), threads=1)
    figures = {"cpu_s_prepare_1080p": round(time.process_time() - started, 2)}
    pose = np.eye(4)
    pose[0, 3] = 0.1
    for name, size in {"1080p": Size(1920, 1080), "8k": Size(7680, 4320)}.items():
        camera = Camera(pose, 2 * math.degrees(math.atan(tangents[1])), *size)
        started = time.process_time()
        view = onlooker.view(camera)
        for first in range(0, size.height, BAND_ROWS):
            view.band(range(first, min(first + BAND_ROWS, size.height)))
        figures[f"cpu_s_{name}"] = round(time.process_time() - started, 3)
    return figures


if __name__ == "__main__":
    main()
