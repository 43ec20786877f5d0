"""A film by one replica and by two, each on a core of its own: `python -m benchmarks.video_ranges`.

The replicas are processes with caches of their own, as on two machines: segments and fields travel
through the artifact store. Both are warm. Serve's queue is left out.
"""

import argparse
import multiprocessing
import os
import queue
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.machine import report
from models.core.capability import Run, Setup
from models.core.errors import Cancelled, UpstreamUnavailable
from models.core.local_store import LocalArtifactStore
from models.video.model import VideoModel
from models.video.schema import VideoRequest, VideoResult

SCENE = {
    "objects": [
        {"shape": "teapot", "color": "#b03030"},
        {"shape": "sphere", "color": "#3050c0", "position": [0.7, 0.2], "size_m": 0.4},
    ]
}


def model_in(root: Path, name: str) -> VideoModel:
    """A replica with a cache of its own and the store of all."""
    (root / name).mkdir()
    store = LocalArtifactStore(root / "assets", min_free_bytes=0)
    return VideoModel(Setup(store=store, device="cpu", cache_dir=root / name, data_dir=root))


def pin(core: int) -> None:
    """Use one core."""
    os.sched_setaffinity(0, {core})


def helper(asked: Connection, root: Path, core: int) -> None:
    """A replica that films what it is asked for."""
    pin(core)
    model = model_in(root, f"helper-{core}")
    while (request := asked.recv()) is not None:
        run = Run(progress=lambda share, _stage: asked.send(share))
        asked.send((model.run(request, run), time.process_time()))


class Helpers:
    """`Peers` over pipes.

    Args:
        root: Of store and caches.
        cores: Of the helpers.

    Attributes:
        most: How many there are.
        cpu_s: Of all of them, up to their last answers.
    """

    def __init__(self, root: Path, cores: list[int]) -> None:
        self.most = len(cores)
        self._cpu_s = dict.fromkeys(cores, 0.0)
        self._idle: queue.SimpleQueue[tuple[int, Connection]] = queue.SimpleQueue()
        self._all: list[tuple[Connection, Any]] = []
        context = multiprocessing.get_context("spawn")
        for core in cores:
            here, there = context.Pipe()
            process = context.Process(target=helper, args=(there, root, core), daemon=True)
            process.start()
            self._idle.put((core, here))
            self._all.append((here, process))

    @property
    def cpu_s(self) -> float:
        """See the class."""
        return sum(self._cpu_s.values())

    def ask(self, request: BaseModel, run: Run) -> BaseModel:
        """See `Peers`; what was begun is ended."""
        core, pipe = self._idle.get()
        try:
            if run.cancelled():
                raise Cancelled("the part is not needed any more")
            pipe.send(request)
            while isinstance(said := pipe.recv(), float):
                run.progress(said, "range")
        except EOFError as error:
            raise UpstreamUnavailable("the helper died") from error
        finally:
            self._idle.put((core, pipe))
        outcome, self._cpu_s[core] = said
        assert isinstance(outcome, BaseModel)
        return outcome

    def end(self) -> None:
        """Let them go."""
        for pipe, process in self._all:
            pipe.send(None)
            process.join()


def main() -> None:
    """Film alone and together, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="path-trace", choices=("path-trace", "nerf"))
    parser.add_argument("--size", nargs=2, type=int, default=(320, 180))
    parser.add_argument("--frames", type=int, default=96)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores are needed")
    width, height = options.size
    asked = {"scene": SCENE, "engine": options.engine, "width": width, "height": height, "fps": 24}

    def clip(seconds: float, parallel: int, seed: int) -> VideoRequest:
        more = {"duration_s": seconds, "parallel": parallel, "seed": seed}
        return VideoRequest.model_validate(asked | more)

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        helpers = Helpers(root, cores[1:])
        pin(cores[0])
        model = model_in(root, "leader")
        model.run(clip(1.0, 2, 0), Run(peers=helpers))
        alone, alone_s, alone_cpu_s = filmed(model, clip(options.frames / 24, 1, 0), helpers)
        both, both_s, both_cpu_s = filmed(model, clip(options.frames / 24, 2, 0), helpers)
        helpers.end()
    os.sched_setaffinity(0, cores)
    report(
        {
            "one_replica_s": round(alone_s, 1),
            "two_replicas_s": round(both_s, 1),
            "speed_up": round(alone_s / both_s, 2),
            "cpu_s_more": round(both_cpu_s - alone_cpu_s, 2),
            "cpu_share_more": round(both_cpu_s / alone_cpu_s - 1, 3),
            "replicas": both.replicas,
            "same_bytes": both.assets.video.id == alone.assets.video.id,
            "engine": options.engine,
            "n": options.frames,
        }
    )


def filmed(
    model: VideoModel, request: VideoRequest, helpers: Helpers
) -> tuple[VideoResult, float, float]:
    """The clip, wall seconds, and CPU seconds of all."""
    started, cpu_s = time.perf_counter(), time.process_time() + helpers.cpu_s
    result = model.run(request, Run(peers=helpers))
    assert isinstance(result, VideoResult)
    seconds = time.perf_counter() - started
    print(f"{result.replicas} replicas: {seconds:.1f} s", file=sys.stderr)
    return result, seconds, time.process_time() + helpers.cpu_s - cpu_s


if __name__ == "__main__":
    main()
