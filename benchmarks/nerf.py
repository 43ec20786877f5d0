"""How well and how fast scenes are learnt and filmed: `python -m benchmarks.nerf FOLDER`.

FOLDER holds a `transforms.json` and its pictures. The field is fitted twice, with one thread and
with two, baked, and looked at in 1080p and 8K from a point of the cameras' own orbit. With
`--nerfacto PYTHON`, the interpreter of an environment that has nerfstudio, its model is fitted to the same
views for ten times the CPU seconds of a short fit of ours (`quick_*`).
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import report
from models.video.camera import Camera, look_at
from models.video.nerf.baked import BakedField, bake
from models.video.nerf.fitting import Fitted, fit
from models.video.nerf.hull import aimed_at
from models.video.nerf.score import held_out_scores, psnr_db
from models.video.nerf.settings import FitSettings
from models.video.nerf.sources.transforms import views_of_folder
from models.video.nerf.views import Views

ITERATIONS, WARM_UP = 1600, 4
QUICK_ITERATIONS, TIMES = 150, 10
GPU_ITERATIONS, GPU_VOXELS = 3000, 192
FRAMES = ((1920, 1080, 1), (7680, 4320, 6))
"""Columns, rows, and which strips of rows are timed: every n-th."""
STRIP_ROWS = 120
WHITE = np.ones(3, np.float32)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall-clock seconds of some work."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def fitted(views: Views, threads: int) -> tuple[Fitted, float, float]:
    """A fitted field, and the CPU and wall-clock seconds of its fit."""
    result: list[Fitted] = []
    settings = FitSettings(iterations=ITERATIONS, threads=threads)
    cpu, wall = timed(lambda: result.append(fit(views, settings, Alone())))
    print(f"{threads} threads: {result[0].held_out_psnr_db:.2f} dB, {cpu:.1f} CPU s, "
          f"{wall:.1f} s", file=sys.stderr)  # fmt: skip
    return result[0], cpu, wall


def beside_nerfacto(views: Views, folder: Path, python: str) -> dict[str, float]:
    """PSNR of a short fit, and of nerfacto after ten times its CPU seconds."""
    quick: list[Fitted] = []
    settings = FitSettings(iterations=QUICK_ITERATIONS, threads=1)
    cpu_s, _ = timed(lambda: quick.append(fit(views, settings, Alone())))
    script = Path(__file__).with_name("nerfacto.py")
    ran = subprocess.run(
        [python, str(script), str(folder), str(TIMES * cpu_s)],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    (found,) = json.loads(ran.stdout)
    return {
        "quick_psnr_db": round(quick[0].held_out_psnr_db, 2),
        "quick_cpu_s": round(cpu_s, 1),
        **{f"nerfacto_{name}": value for name, value in found.items()},
    }


def orbit_camera(views: Views, width: int, height: int) -> Camera:
    """A camera between those of the views, 30 degrees up, that sees the object whole."""
    centre, distance = aimed_at(list(views.cameras))
    way = np.array([0.54, 0.69, 0.48])
    eye = centre + way / np.linalg.norm(way) * distance
    return Camera(look_at(eye, centre), 39.3, width, height)


def frame_seconds(field: BakedField, views: Views, width: int, height: int, share: int) -> float:
    """CPU seconds of a frame, from every `share`-th strip of its rows."""
    camera = orbit_camera(views, width, height)
    strips = [range(top, top + STRIP_ROWS) for top in range(0, height, STRIP_ROWS)][::share]
    cpu, _ = timed(lambda: [field.render(camera, rows) for rows in strips])
    return cpu * height / (STRIP_ROWS * len(strips))


def main() -> None:
    """Fit, bake, film; one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--nerfacto", metavar="PYTHON", help="measure nerfstudio's model beside")
    options = parser.parse_args()
    if not options.folder.exists():
        sys.exit(f"{options.folder} is not there: nothing measured")
    views = views_of_folder(options.folder)
    if options.device == "cuda":
        on_gpu(views)
        return
    fit(views, FitSettings(iterations=WARM_UP, voxels=32, batch=64), Alone())  # compiles
    best, cpu_s, wall_s = fitted(views, 2)
    _, alone_cpu_s, alone_s = fitted(views, 1)
    baked = bake(best.field)
    loss, full = measured_loss(best, baked, views)
    frames = [frame_seconds(baked, views, *frame) for frame in FRAMES]
    beside = {}
    if options.nerfacto:
        beside = beside_nerfacto(views, options.folder, options.nerfacto)
    report({
        **beside,
        "psnr_60_cpu_s": round(best.held_out_psnr_db, 2),
        "fit_cpu_s": round(cpu_s, 1),
        "fit_s": round(wall_s, 1),
        "alone_cpu_s": round(alone_cpu_s, 1),
        "alone_s": round(alone_s, 1),
        "ssim": round(best.held_out_ssim, 4),
        "cpu_s_1080p": round(frames[0], 2),
        "cpu_s_8k": round(frames[1], 2),
        "bake_loss_db": round(loss, 3),
        "frame_psnr_to_fit_db": round(full, 1),
        "thread_speedup": round(alone_s / wall_s, 2),
        "iterations": ITERATIONS,
        "baked_mb": round(len(baked.to_bytes()) / 1e6, 1),
        "n": len(views.held_out),
    })  # fmt: skip


class Alone:
    """A run that nobody watches."""

    def check(self) -> None:
        """Goes on."""

    def progress(self, fraction: float, stage: str) -> None:
        """Keeps it to itself."""


def on_gpu(views: Views) -> None:
    """Fit and film with torch; numba carves the hull, pydantic is not needed."""
    import torch  # noqa: PLC0415  # the kernels do without

    from models.video.nerf.torch_fit import fit_in_torch  # noqa: PLC0415

    fit_in_torch(views, FitSettings(iterations=40, batch=1024), Alone(), "cuda")  # type: ignore[arg-type]
    settings = FitSettings(iterations=GPU_ITERATIONS, batch=8192, voxels=GPU_VOXELS, rays=2)
    field, psnr, similarity, seconds = fit_in_torch(views, settings, Alone(), "cuda")  # type: ignore[arg-type]
    frames = []
    for width, height, _ in FRAMES:
        camera = orbit_camera(views, width, height)
        strips = [range(top, top + STRIP_ROWS) for top in range(0, height, STRIP_ROWS)]
        field.render(camera, strips[0])
        torch.cuda.synchronize()
        _, wall = timed(lambda c=camera, s=strips: [field.render(c, rows) for rows in s])  # type: ignore[misc]
        frames.append(wall)
    report({
        "psnr_cuda": round(psnr, 2), "ssim": round(similarity, 4), "fit_s": round(seconds, 2),
        "s_1080p": round(frames[0], 3), "s_8k": round(frames[1], 3),
        "side_px": int(views.images.shape[1]), "iterations": settings.iterations,
        "voxels": settings.voxels, "n": len(views.held_out),
        "device": torch.cuda.get_device_name(), "gpu_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
    })  # fmt: skip


def measured_loss(best: Fitted, baked: BakedField, views: Views) -> tuple[float, float]:
    """What baking costs on the held-out views, and how near its 1080p frames are to the field's."""
    after, _ = held_out_scores(baked, views, WHITE, Alone())
    camera = orbit_camera(views, 1920, 1080)
    rows = range(360, 720)
    whole = best.field.render(camera, rows).rgb
    near = psnr_db(baked.render(camera, rows).rgb, whole)
    return best.held_out_psnr_db - after, near


if __name__ == "__main__":
    main()
