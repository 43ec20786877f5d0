"""48 frames of 7680x4320: `python -m benchmarks.video_8k`.

Films four ways, each in a process of its own: an orbit through a baked field, frames painted at 8K
strip by strip, frames of 1080p enlarged by a Lanczos filter, and HDR10 from linear light. The field
is fitted here first, as the service does, and kept in `--fields` if that is given. Every finished
file is decoded frame by frame. Then films are stopped, and others are killed with SIGKILL and go on.
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
from models.image.render import Renderer
from models.image.schema import Scene
from models.image.styles import style_named
from models.media.canvas import Band
from models.media.codecs import choose_encoder
from models.media.facts import read_back
from models.media.join import join
from models.media.reel import Reel, Shot, Source, cuts
from models.media.size import Size
from models.video.fieldwork import FieldEngine
from models.video.filming import source_of
from models.video.path import Preset
from models.video.presets import expand
from models.video.schema import VideoRequest
from models.video.setting import set_up

SIZE, HD = Size(7680, 4320), Size(1920, 1080)
RATE = Fraction(24)
FRAMES = 48
BAND_ROWS = 60
KILL_AT = 5 / 12
"""Share of the frames after which a film is killed."""
CANCEL_AT_FRAME = 2
KINDS = ("field", "painted", "enlarged", "hdr10")


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


def shot(kind: str, frames: int = FRAMES) -> tuple[Shot, Source]:
    """What is filmed, and what paints it."""
    hdr = kind == "hdr10"
    encoder = choose_encoder("hevc" if hdr else "h264", SIZE, "hdr10" if hdr else "none")
    native = HD if kind == "enlarged" else SIZE
    return Shot(encoder, native, SIZE, RATE, frames, hdr), painted(native, hdr=hdr)


def field_source(fields: Path, run: Run) -> Source:
    """Frames of a field that is traced, fitted and baked in this process, or was before."""
    scene = Scene.model_validate(
        {
            "objects": [
                {"shape": "teapot", "color": "#b03030"},
                {"shape": "sphere", "color": "#3050c0", "position": [0.7, 0.2], "size_m": 0.4},
            ]
        }
    )
    setting = set_up(scene, style_named("photo"), SIZE, 0, fields)
    engine = FieldEngine(Renderer(None, fields))
    asked = VideoRequest(scene=scene, engine="nerf", width=SIZE.width, height=SIZE.height)
    footage = engine.prepare(asked, setting, run)
    path = expand(Preset(preset="orbit"), setting.subject, FRAMES / 24, 24, 0)
    return source_of(footage, path, SIZE, "rgb", (1.0, 9.0), run, lambda _number: None)


def rss_gb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def film(kind: str, folder: Path, frames: int, fields: Path) -> dict[str, Any]:
    """Film in this process and check the file."""
    what, paint = shot(kind, frames)
    if kind == "field":
        paint = field_source(fields, Run())
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
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
        "psnr_db": psnr(target, kind, paint, frames),
        "frames": len(facts.times),
        "gapless": facts.is_gapless,
        "size": list(facts.size),
        "codec": f"{facts.codec} {facts.profile}",
        "pixel_format": facts.pixel_format,
        "transfer": facts.transfer,
        "side_data": list(facts.side_data),
        "mb": round(facts.size_bytes / 1e6, 1),
    }


def psnr(path: Path, kind: str, paint: Source, frames: int) -> float | None:
    """Of the luma of the last frame, on every fifth row and column; enlarged ones are not compared."""
    if kind != "painted":
        return None
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = "SLICE"
        for frame in file.decode(stream):
            last = frame
    plane = last.planes[0]
    seen = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[
        : SIZE.height : 5, : SIZE.width : 5
    ]
    rows = np.concatenate([band[::5, ::5] for band in paint(frames - 1)])
    truth = 16 + 219 / 255 * (rows @ np.array([0.2126, 0.7152, 0.0722]))
    return round(float(10 * np.log10(219**2 / np.mean((seen - truth) ** 2))), 1)


def cancel_s(kind: str, folder: Path, fields: Path) -> float:
    """Seconds from the wish to stop until the film has stopped."""
    what, paint = shot(kind)
    left = threading.Event()
    run, asked = Run(cancelled=left.is_set), [0.0]
    if kind == "field":
        paint = field_source(fields, run)

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


def killed(kind: str, folder: Path, count: int, options: list[str]) -> dict[str, Any]:
    """Kill a film by SIGKILL in the middle and let another process go on."""
    arguments = ["--film", kind, str(folder), *options]
    command = [sys.executable, "-m", "benchmarks.video_8k", *arguments]
    kill_at = int(count * KILL_AT)
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"{kind} frame {kill_at},"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    reel = Reel(folder / kind, shot(kind, count)[0])
    kept = reel.frames_closed
    again = child(arguments)
    return {
        f"{kind}_killed_at_frame": kill_at,
        f"{kind}_frames_kept": kept,
        f"{kind}_fragments_lost": sum(kept <= cut < kill_at for cut in cuts(count, RATE)),
        f"{kind}_resumed_frames": again["frames"],
        f"{kind}_resumed_gapless": again["gapless"],
    }


def main() -> None:
    """Film all ways and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--cancel", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--fields", type=Path, help="folder that keeps the fitted field")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each film")
    options = parser.parse_args()
    if options.film:
        kind, place = options.film
        print(json.dumps(film(kind, Path(place), options.frames, options.fields)))
        return
    if options.cancel:
        kind, place = options.cancel
        print(json.dumps({"cancel_s": cancel_s(kind, Path(place), options.fields)}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fields = options.fields or folder / "fields"
        fields.mkdir(exist_ok=True)
        same = ["--frames", str(options.frames), "--fields", str(fields)]
        made = {kind: child(["--film", kind, name, *same]) for kind in options.kinds}
        after: dict[str, Any] = {}
        for kind in {"painted", "field"} & set(options.kinds):
            after[f"{kind}_cancel_s"] = round(child(["--cancel", kind, name, *same])["cancel_s"], 2)
            whole = (folder / f"{kind}.mp4").read_bytes()
            with tempfile.TemporaryDirectory() as other:
                after |= killed(kind, Path(other), options.frames, same)
                resumed = (Path(other) / f"{kind}.mp4").read_bytes()
            after[f"{kind}_same_bytes"] = resumed == whole
    first = made[options.kinds[0]]
    figures: dict[str, object] = {
        "seconds_48_frames": first["seconds"],
        "peak_rss_gb": first["peak_rss_gb"],
        "first_fragment_s": first["first_fragment_s"],
        "cancel_s": max((v for k, v in after.items() if k.endswith("cancel_s")), default=None),
        **{f"{kind}_{key}": value for kind, one in made.items() for key, value in one.items()},
        **after,
        "n": options.frames,
    }
    report(figures)


if __name__ == "__main__":
    main()
