"""How soon large films play: `python -m benchmarks.video_first`.

Seconds from the request until the small film has a playable segment, and until the film itself has
one; there each film is stopped. Every film is made in a process of its own with an empty cache, so
loading and, for engine nerf, views and fit are counted.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import report
from benchmarks.video_ranges import SCENE, model_in
from models.core.capability import Run
from models.core.errors import Cancelled
from models.media.playlist import PROXY, note_in
from models.video.schema import VideoRequest

SIZES: Final = {"4k": (3840, 2160), "8k": (7680, 4320)}
ENGINES: Final = ("path-trace", "nerf")


class Audience:
    """Notes when something can be played, and leaves once that is the film itself.

    Attributes:
        seen: Wall-clock and CPU seconds of the process until each.
    """

    def __init__(self) -> None:
        self.seen: dict[str, tuple[float, float]] = {}
        self._started = time.perf_counter(), time.process_time()

    def watch(self, content: bytes, _media_type: str) -> None:
        """Take a playlist."""
        what = "proxy" if note_in(content.decode()) == PROXY else "film"
        wall, cpu = self._started
        self.seen.setdefault(what, (time.perf_counter() - wall, time.process_time() - cpu))

    def is_gone(self) -> bool:
        """Whether all was seen."""
        return "film" in self.seen


def first(engine: str, size: str, frames: int) -> dict[str, tuple[float, float]]:
    """What `Audience` saw of a film."""
    width, height = SIZES[size]
    asked = VideoRequest.model_validate(
        {
            "scene": SCENE, "engine": engine, "width": width, "height": height, "seed": 0,
            "fps": 24, "duration_s": frames / 24,
        }
    )  # fmt: skip
    audience = Audience()
    with tempfile.TemporaryDirectory() as name:
        model = model_in(Path(name), "replica")
        try:
            model.run(asked, Run(cancelled=audience.is_gone, preview=audience.watch))
        except Cancelled:
            print(f"{engine} {size}: {audience.seen}", file=sys.stderr)
    return audience.seen


def main() -> None:
    """Begin the films and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--frames", type=int, default=72, help="of each film")
    options = parser.parse_args()
    figures: dict[str, Any] = {"n": options.frames}
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        for engine in options.engines:
            for size in options.sizes:
                for what, (wall_s, cpu_s) in pool.apply(
                    first, (engine, size, options.frames)
                ).items():
                    figures[f"{engine}_{size}_{what}_plays_s"] = round(wall_s, 1)
                    figures[f"{engine}_{size}_{what}_plays_cpu_s"] = round(cpu_s, 1)
    report(figures)


if __name__ == "__main__":
    main()
