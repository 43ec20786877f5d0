"""How well and how fast pictures between pictures are made: `python -m benchmarks.interpolate`.

Scenes are path-traced at twice the rate; every other frame is taken away and made again from its
neighbours, by following motion, by blending them, by showing the earlier one longer, and by FFmpeg's
`minterpolate`, motion-compensated both ways, where this build has it. `--keep FOLDER` keeps the frames.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph, filters_available

from benchmarks.clips import Clip, Picture, traced
from benchmarks.machine import report
from models.image.render.renderer import Renderer
from models.media.motion.follow import between, follow
from models.media.size import Size
from models.video.nerf.score import psnr_db

CLIPS = (
    Clip("orbit", 0, "orbit", 12.0),
    Clip("truck", 11, "truck", 3.0),
    Clip("handheld", 7, "handheld", 4.0),
    Clip("push-in", 1, "push-in", 3.0, 1.2),
)
FPS = 32
FRAMES = 7
MINTERPOLATE = "mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"

Way = Callable[[Sequence[Picture]], list[Picture]]
"""Makes what lies in the middle between neighbours: one picture fewer than it is given."""


def moving(pictures: Sequence[Picture]) -> list[Picture]:
    """By this package."""
    return [
        between(one, two, follow(one, two, lambda: None), 0.5) for one, two in pairwise(pictures)
    ]


def blended(pictures: Sequence[Picture]) -> list[Picture]:
    """Means of neighbours."""
    pairs = pairwise(pictures)
    return [((one.astype(np.uint16) + two + 1) // 2).astype(np.uint8) for one, two in pairs]


def repeated(pictures: Sequence[Picture]) -> list[Picture]:
    """The earlier of both."""
    return list(pictures[:-1])


def of_ffmpeg(pictures: Sequence[Picture]) -> list[Picture]:
    """By `minterpolate`; ends are doubled, since it needs pictures around those it works on."""
    height, width = pictures[0].shape[:2]
    graph = Graph()
    source: Any = graph.add_buffer(
        width=width, height=height, format="yuv444p", time_base=Fraction(1, 2)
    )
    filtering = graph.add("minterpolate", f"fps=2:{MINTERPOLATE}")
    sink = graph.add("buffersink")
    source.link_to(filtering)
    filtering.link_to(sink)
    graph.configure()
    made: dict[int, Picture] = {}
    doubled = [pictures[0], pictures[0], *pictures, pictures[-1], pictures[-1]]
    for number, picture in enumerate(doubled):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
        frame.pts, frame.time_base = 2 * number, Fraction(1, 2)
        graph.push(frame)
        drain(graph, made)
    graph.push(None)
    drain(graph, made)
    # The pictures begin at second 2; what lies between them is at odd halves of seconds.
    return [made[2 * (2 + n) + 1] for n in range(len(pictures) - 1)]


def drain(graph: Graph, made: dict[int, Picture]) -> None:
    """Take what a graph has ready."""
    while True:
        try:
            frame: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        made[round(float(frame.pts * frame.time_base) * 2)] = frame.to_ndarray(format="rgb24")


def main() -> None:
    """Trace, take away, make again; one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder that keeps the traced frames")
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--clips", default=",".join(clip.name for clip in CLIPS))
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    size = Size(options.height * 16 // 9 // 2 * 2, options.height)
    ways: dict[str, Way] = {"motion": moving, "blend": blended, "repeat": repeated}
    if "minterpolate" in filters_available:
        ways["minterpolate"] = of_ffmpeg
    small = np.zeros((64, 64, 3), np.uint8)
    moving([small, small])  # compiles
    renderer = Renderer(None)
    scores: dict[str, list[float]] = {name: [] for name in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for clip in CLIPS:
        if clip.name not in options.clips.split(","):
            continue
        frames = list(traced(renderer, clip, size, FPS, FRAMES, folder))
        for name, way in ways.items():
            cpu = time.process_time()
            made = way(frames[::2])
            seconds[name] += time.process_time() - cpu
            found = [psnr_db(a / 255, b / 255) for a, b in zip(made, frames[1::2], strict=True)]
            scores[name] += found
            print(f"{clip.name}, {name}: {np.mean(found):.2f} dB", file=sys.stderr)
    count = len(scores["motion"])
    report({
        **{f"{name}_psnr_db": round(float(np.mean(found)), 2) for name, found in scores.items()},
        **{f"{name}_cpu_s": round(spent / count, 3) for name, spent in seconds.items()},
        "width": size.width, "height": size.height, "n": count,
    })  # fmt: skip


if __name__ == "__main__":
    main()
