"""Frames enlarged by the learned upscaler: `python -m benchmarks.upscale [FOLDER]`.

Pictures are made half as large, enlarged again in three ways, and compared with what they were: hand-
written scenes, made small or traced small; writing, figures, gratings, textures and gradients of a seed
that the network was not taught with; two photographs that come with scikit-learn; those of a folder, if
one is given. `unseen` is made small by a filter that training does not know, `twice` by four. Figures
are of luma: PSNR in dB and SSIM, means over pictures. Then frames of 1080p become 4K and 8K.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.machine import report
from benchmarks.scenes import shots
from models.core.seeds import numpy_generator
from models.image.render import Renderer
from models.image.render.grade import displayed, exposed
from models.image.styles import style_named
from models.media.canvas import Canvas, hdr10_planes
from models.media.codecs import choose_encoder
from models.media.formats import UpscalerName
from models.media.light import LUMA_709
from models.media.planes import samples
from models.media.reel import Reel, Shot
from models.media.size import Size
from models.video.enlarging.patterns import PAINTERS
from models.video.enlarging.shrinking import halved
from models.video.nerf.score import psnr_db, ssim

Floats = NDArray[np.float32]

SEED = 20260
SIDE_PX = 384
SAMPLES = 8
DRAWN = 6
"""Patterns of each kind."""
HD, UHD, EIGHT_K = Size(1920, 1080), Size(3840, 2160), Size(7680, 4320)
FRAMES = 4
UPSCALERS: tuple[UpscalerName, ...] = ("lanczos", "learned")
Pair = tuple[Floats, Floats]
"""Luma in 0-1 of a picture and of a smaller one."""


def grey_frame(small: Floats, size: Size, upscaler: UpscalerName) -> Floats:
    """Luma of a grey picture, enlarged as frames of a clip are."""
    native = Size(small.shape[1], small.shape[0])
    canvas = Canvas(native, size, "yuv420p10le", upscaler=upscaler)
    picture = np.repeat(np.rint(small * 255).astype(np.uint8)[..., None], 3, -1)
    plane = samples(canvas.frame([picture], 0, Fraction(1)).planes[0])
    return np.asarray((plane - np.float32(64)) / 876, np.float32)


def bicubic(small: Floats, size: Size) -> Floats:
    """By Pillow."""
    whole = Image.fromarray((np.rint(small * 255) / 255).astype(np.float32))
    return np.clip(np.asarray(whole.resize(size, Image.Resampling.BICUBIC)), 0, 1)


def compared(pairs: list[Pair]) -> dict[str, float]:
    """PSNR and SSIM of three ways to enlarge."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for large, small in pairs:
        size = Size(large.shape[1], large.shape[0])
        made = {name: grey_frame(small, size, name) for name in UPSCALERS}
        made["bicubic"] = bicubic(small, size)
        for name, picture in made.items():
            pair = picture[..., None], large[..., None]
            scores.setdefault(name, []).append((psnr_db(*pair), ssim(*pair)))
    figures = {}
    for name, found in scores.items():
        psnr, similarity = np.mean(found, 0)
        figures |= {f"{name}_db": round(psnr, 2), f"{name}_ssim": round(similarity, 4)}
    return figures


def scenes(count: int) -> dict[str, list[Pair]]:
    """Hand-written scenes, made small and traced small; and as HDR10 code values."""
    renderer = Renderer()
    kinds: dict[str, list[Pair]] = {"scenes": [], "traced": [], "hdr10": []}
    for seed, item in enumerate(shots()[:count]):
        style = style_named(item.style)
        luma, codes = [], []
        for side in (SIDE_PX, SIDE_PX // 2):
            seen = renderer.render(item.scene, side, side, SAMPLES, seed, style)
            luma.append(displayed(seen.color, style.grade, seen.level) @ LUMA_709)
            light = exposed(seen.color, style.grade, seen.level)
            codes.append((hdr10_planes(light)[0].astype(np.float32) - 64) / 876)
        kinds["scenes"].append((luma[0], halved(luma[0])))
        kinds["traced"].append((luma[0], luma[1]))
        kinds["hdr10"].append((codes[0], codes[1]))
        print(f"scene {seed}", file=sys.stderr)
    return kinds


def patterns() -> dict[str, list[Pair]]:
    """Patterns of every kind, of a seed of their own."""
    return {
        kind: [
            (large, halved(large))
            for number in range(DRAWN)
            for large in [paint(numpy_generator(SEED, kind, number), SIDE_PX)]
        ]
        for kind, paint in PAINTERS.items()
    }


def pictures(found: list[NDArray[np.uint8]]) -> list[Pair]:
    """Luma of pictures `(H, W, 3)`, cut to even sides."""
    pairs = []
    for picture in found:
        height, width = (side // 4 * 4 for side in picture.shape[:2])
        luma = picture[:height, :width].astype(np.float32) @ (LUMA_709 / 255)
        pairs.append((luma, halved(luma)))
    return pairs


def folder_pictures(folder: Path) -> list[NDArray[np.uint8]]:
    """Pictures of a folder over white."""
    found = []
    for path in sorted(folder.glob("*.png")) + sorted(folder.glob("*.jpg")):
        whole = Image.open(path).convert("RGBA")
        paper = Image.new("RGBA", whole.size, "white")
        found.append(np.asarray(Image.alpha_composite(paper, whole).convert("RGB")))
    return found


def unseen(pair: Pair) -> Pair:
    """Made small by a Hamming window, which training does not know."""
    large = pair[0]
    size = (large.shape[1] // 2, large.shape[0] // 2)
    small = Image.fromarray(large).resize(size, Image.Resampling.HAMMING)
    return large, np.clip(np.asarray(small), 0, 1)


def moving(number: int) -> Iterator[NDArray[np.uint8]]:
    """A frame of 1080p."""
    across, down = np.arange(HD.width)[None, :, None], np.arange(HD.height)[:, None, None]
    wave = 128 + 60 * np.sin((across + 7 * number) / 9) * np.cos((down * [1.0, 1.1, 1.2]) / 13)
    yield wave.astype(np.uint8)


def frames(size: Size, upscaler: UpscalerName) -> dict[str, float]:
    """CPU seconds of a frame, and the peak memory of a film."""
    canvas = Canvas(HD, size, "yuv420p", upscaler=upscaler)
    canvas.frame(moving(0), 0, Fraction(24))  # compiles
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(FRAMES):
        canvas.frame(moving(number), number, Fraction(24))
    cpu_s = (time.process_time() - cpu) / FRAMES
    wall_s = (time.perf_counter() - wall) / FRAMES
    with tempfile.TemporaryDirectory() as folder:
        encoder = choose_encoder("h264", size, "none")
        shot = Shot(encoder, HD, size, Fraction(24), FRAMES, upscaler=upscaler)
        for _ in Reel(Path(folder) / "reel", shot).shoot(moving):
            pass
    return {"cpu_s": round(cpu_s, 2), "wall_s": round(wall_s, 2), "peak_rss_gb": peak_rss_gb()}


def peak_rss_gb() -> float:
    """Of this process alone: what `getrusage` tells is inherited from whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return round(kilobytes * 1024 / 1e9, 2)


def child(*arguments: str) -> dict[str, Any]:
    """The last line of this module in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.upscale", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Compare and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="pictures to compare with as well")
    parser.add_argument("--scenes", type=int, default=len(shots()))
    parser.add_argument("--frames", nargs=2, metavar=("SIZE", "UPSCALER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.frames:
        size, upscaler = options.frames
        print(json.dumps(frames(UHD if size == "4k" else EIGHT_K, upscaler)))
        return
    kinds = scenes(options.scenes) | patterns()
    kinds["photos"] = pictures(load_sample_images().images)
    if options.folder is not None:
        kinds["folder"] = pictures(folder_pictures(options.folder))
    for kind in ("scenes", "text"):
        kinds[f"{kind}_unseen"] = [unseen(pair) for pair in kinds[kind]]
        kinds[f"{kind}_twice"] = [(large, halved(small)) for large, small in kinds[kind]]
    figures: dict[str, object] = {}
    for kind, pairs in kinds.items():
        scores = compared(pairs)
        scores["gain_db"] = round(scores["learned_db"] - scores["lanczos_db"], 2)
        print(kind, len(pairs), scores, file=sys.stderr)
        figures |= {f"{kind}_{name}": value for name, value in scores.items()}
    for size in ("4k", "8k"):
        for upscaler in UPSCALERS:
            made = child("--frames", size, upscaler)
            figures |= {f"{size}_{upscaler}_{name}": value for name, value in made.items()}
    report({**figures, "n": sum(map(len, kinds.values()))})


if __name__ == "__main__":
    main()
