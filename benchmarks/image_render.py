"""CPU seconds of a 512x512 picture: `python -m benchmarks.image_render`.

Renders the scenes of the contact sheet once each with either back end, each in a process of its
own. The first picture pays for compiled kernels that are not on disk yet; every later one is a
scene that the process has not seen before.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.scenes import shots
from models.image.render import Renderer, encode, samples_for
from models.image.styles import style_named

SIDE_PX = 512
NO_LIBRARY = "none"


def measured(library: str | None, count: int) -> dict[str, Any]:
    """Figures of one back end, in this process."""
    renderer = Renderer(library)
    style = style_named("photo")
    seconds = []
    for seed, item in enumerate(shots()[:count]):
        clock = time.process_time()
        rendering = renderer.render(
            item.scene, SIDE_PX, SIDE_PX, samples_for("standard"), seed, style
        )
        encode(rendering, style, "png")
        seconds.append(time.process_time() - clock)
        print(f"{renderer.variant} {seconds[-1]:.2f} CPU-s", file=sys.stderr)
    return {
        "variant": renderer.variant,
        "first": seconds[0],
        "median": statistics.median(seconds[1:]),
        "worst": max(seconds[1:]),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_child(library: str | None, count: int) -> dict[str, Any]:
    """Figures of one back end, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.image_render", "--count", str(count), "--child"]
    child = subprocess.run(  # our own interpreter and module
        [*command, library or ""], check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(child.stdout.splitlines()[-1]))


def main() -> None:
    """Measure both back ends and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=len(shots()))
    parser.add_argument("--child", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(measured(options.child or None, options.count)))
        return
    fast, slow = in_child(None, options.count), in_child(NO_LIBRARY, options.count)
    figures = {
        "fast_variant": fast["variant"],
        "cpu_s_512_llvm": round(fast["median"], 2),
        "cpu_s_512_llvm_first": round(fast["first"], 2),
        "cpu_s_512_llvm_worst": round(fast["worst"], 2),
        "peak_rss_mb_llvm": round(fast["peak_rss_mb"]),
        "cpu_s_512_scalar": round(slow["median"], 2),
        "cpu_s_512_scalar_first": round(slow["first"], 2),
        "cpu_s_512_scalar_worst": round(slow["worst"], 2),
        "peak_rss_mb_scalar": round(slow["peak_rss_mb"]),
        "samples_per_pixel": samples_for("standard"),
        "n": options.count,
        "machine": f"{platform.machine()}, {platform.processor() or platform.platform()}",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
