"""48 frames of 7680x4320: `python -m benchmarks.video_8k [FIELD.safetensors]`.

Films three ways, each in a process of its own: frames painted at 8K strip by strip, frames of
1080p enlarged by a Lanczos filter, and HDR10 from linear light. Every finished file is decoded frame by
frame. Then a film is stopped, and another is killed with SIGKILL and goes on.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.machine import report
from models.core.capability import Run
from models.core.errors import Cancelled
from models.media.canvas import Band
from models.media.codecs import choose_encoder
from models.media.facts import read_back
from models.media.join import join
from models.media.reel import Reel, Shot, Source
from models.media.size import Size

SIZE, HD = Size(7680, 4320), Size(1920, 1080)
RATE = Fraction(24)
FRAMES = 48
BAND_ROWS = 60
KILL_AT_FRAME = 20
CANCEL_AT_FRAME = 4


def painted(size: Size, *, hdr: bool) -> Source:
    """A moving texture, other in every frame, painted in bands."""
    across = np.arange(size.width, dtype=np.float32)
    noise = np.random.default_rng(0).integers(0, 24, (BAND_ROWS, size.width, 1), dtype=np.uint8)

    def paint(number: int) -> Iterator[Band]:
        for first in range(0, size.height, BAND_ROWS):
            down = np.arange(first, first + BAND_ROWS, dtype=np.float32)[:, None]
            wave = (
                100
                + 60 * np.sin((across + 7 * number) / 97)
                + 50 * np.cos((down - 3 * number) / 61)
            )
            band = np.empty((BAND_ROWS, size.width, 3), np.uint8)
            band[..., 0], band[..., 1], band[..., 2] = wave, 230 - wave, 60 + 0.5 * wave
            band += noise // 2
            yield (band.astype(np.float32) / 255) ** 2.2 * 4 if hdr else band

    return paint


def shot(kind: str) -> tuple[Shot, Source]:
    """What is filmed, and what paints it."""
    hdr = kind == "hdr10"
    encoder = choose_encoder("hevc" if hdr else "h264", SIZE, "hdr10" if hdr else "none")
    native = HD if kind == "enlarged" else SIZE
    return Shot(encoder, native, SIZE, RATE, FRAMES, hdr), painted(native, hdr=hdr)


def rss_gb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def film(kind: str, folder: Path) -> dict[str, Any]:
    """Film in this process and check the file."""
    what, paint = shot(kind)
    reel = Reel(folder / kind, what)
    levels: list[float] = []

    def watched(number: int) -> Iterator[Band]:
        levels.append(rss_gb())
        print(f"{kind} frame {number}, {levels[-1]:.2f} GB", file=sys.stderr)
        return paint(number)

    started, cpu = time.perf_counter(), time.process_time()
    first_s = 0.0
    for _ in reel.shoot(watched):
        first_s = first_s or time.perf_counter() - started
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    target = folder / f"{kind}.mp4"
    join(reel.chunks(), target, "mp4", RATE)
    joined_s = time.perf_counter() - started - seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2 * 1.073741824
    facts = read_back(target, RATE)
    half = len(levels) // 2
    return {
        "seconds": round(seconds, 1),
        "cpu_s_per_frame": round(cpu_s / max(1, len(levels)), 2),
        "first_fragment_s": round(first_s, 2),
        "join_s": round(joined_s, 2),
        "peak_rss_gb": round(peak, 2),
        "growth_mb_per_frame": round(1000 * (max(levels[half:]) - max(levels[:half])) / half, 1)
        if half
        else None,
        "psnr_db": round(psnr(target, kind, paint), 1),
        "frames": len(facts.times),
        "gapless": facts.is_gapless,
        "size": list(facts.size),
        "codec": f"{facts.codec} {facts.profile}",
        "pixel_format": facts.pixel_format,
        "transfer": facts.transfer,
        "side_data": list(facts.side_data),
        "mb": round(facts.size_bytes / 1e6, 1),
    }


def psnr(path: Path, kind: str, paint: Source) -> float:
    """Of the luma of the last frame, on every fifth row and column; enlarged ones are not compared."""
    if kind != "painted":
        return float("nan")
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = "SLICE"
        for frame in file.decode(stream):
            last = frame
    plane = last.planes[0]
    seen = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[
        : SIZE.height : 5, : SIZE.width : 5
    ]
    rows = np.concatenate([band[::5, ::5] for band in paint(FRAMES - 1)])
    truth = 16 + 219 / 255 * (rows @ np.array([0.2126, 0.7152, 0.0722]))
    return float(10 * np.log10(219**2 / np.mean((seen - truth) ** 2)))


def cancel_s(folder: Path) -> float:
    """Seconds from the wish to stop until the film has stopped."""
    what, paint = shot("painted")
    left = threading.Event()
    run, asked = Run(cancelled=left.is_set), [0.0]

    def leave() -> None:
        asked[0] = time.perf_counter()
        left.set()

    def polled(number: int) -> Iterator[Band]:
        if number == CANCEL_AT_FRAME:
            threading.Timer(0.1, leave).start()
        for band in paint(number):
            run.check()
            yield band

    try:
        for _ in Reel(folder / "cancelled", what).shoot(polled):
            pass
    except Cancelled:
        return time.perf_counter() - asked[0]
    return float("nan")


def child(arguments: list[str]) -> dict[str, Any]:
    """The last line of this module in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.video_8k", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def killed(folder: Path) -> dict[str, Any]:
    """Kill a film by SIGKILL in the middle and let another process go on."""
    command = [sys.executable, "-m", "benchmarks.video_8k", "--film", "painted", str(folder)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"painted frame {KILL_AT_FRAME},"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    reel = Reel(folder / "painted", shot("painted")[0])
    kept = reel.frames_closed
    again = child(["--film", "painted", str(folder)])
    return {
        "killed_at_frame": KILL_AT_FRAME,
        "frames_kept": kept,
        "fragments_lost": 1 if kept < KILL_AT_FRAME else 0,
        "resumed_frames": again["frames"],
        "resumed_gapless": again["gapless"],
    }


def main() -> None:
    """Film all ways and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--cancel", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.film:
        print(json.dumps(film(options.film[0], Path(options.film[1]))))
        return
    if options.cancel:
        print(json.dumps({"cancel_s": cancel_s(Path(options.cancel))}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {kind: child(["--film", kind, name]) for kind in ("painted", "enlarged", "hdr10")}
        whole = (folder / "painted.mp4").read_bytes()
        with tempfile.TemporaryDirectory() as other:
            after = killed(Path(other))
            after["same_bytes"] = (Path(other) / "painted.mp4").read_bytes() == whole
        stopped = child(["--cancel", name])
    figures: dict[str, object] = {
        "seconds_48_frames": made["painted"]["seconds"],
        "peak_rss_gb": made["painted"]["peak_rss_gb"],
        "first_fragment_s": made["painted"]["first_fragment_s"],
        "cancel_s": round(stopped["cancel_s"], 2),
        **{f"{kind}_{key}": value for kind, one in made.items() for key, value in one.items()},
        **after,
        "n": FRAMES,
    }
    report(figures)


if __name__ == "__main__":
    main()
