"""Requests stepped together beside stock pipelines: `python -m benchmarks.step_engine [TRACES_DIR]`.

One Poisson stream of mixed requests is served three times by one worker: by stock pipelines one
request after another (a), by stock pipelines in batches of equal kind as `@serve.batch` makes them
(b), and by the step engine. The checkpoint is tiny and random, laid out as SDXL, and small enough
that a forward of many rows costs little more than one of two, as on a GPU that one picture does not
fill. Load is 80 % of what (a) can do with this very stream: its requests are measured one after
another, and arrive at the pace that follows. Throughput is measured with all of them there at once.

A batch of (b) holds requests of equal steps, guidance and adapter, up to as many as fill the rows
of the engine's forwards; they share one scheduler, text encoding and decoding. Weights, precision
and threads are the same for all three.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks import tiny_checkpoint
from benchmarks.machine import report
from benchmarks.step_engine_stream import ADAPTERS, Ask, Clock, draw
from models.core.local_store import LocalArtifactStore
from models.image.diffusion.adapter_shelf import AdapterShelf
from models.image.diffusion.batching import next_batch
from models.image.diffusion.checkpoint import Checkpoint, load_pipeline
from models.image.diffusion.layouts import Pipeline
from models.image.diffusion.preparation import Wish
from models.image.diffusion.running import Running
from models.image.diffusion.shelf import Shelf
from models.image.options import DiffusersOptions
from models.image.schema import Adapter

State: TypeAlias = dict[str, Any]
LOAD = 0.8
BATCH, WAIT_S = 8, 0.05
"""Of (b): most requests of a batch, and how long the first one waits for more."""
FIXED_ROWS = 4


@dataclass
class Served:
    """How a stream went: moments of the virtual clock, by seed."""

    joined: dict[int, float] = field(default_factory=dict)
    first: dict[int, float] = field(default_factory=dict)
    done: dict[int, float] = field(default_factory=dict)
    pictures: dict[int, bytes] = field(default_factory=dict)
    calls: int = 0
    end_s: float = 0.0
    longest_step_s: float = 0.0

    def waits(self, stream: Sequence[Ask], moments: dict[int, float]) -> list[float]:
        """Seconds from arrival to a moment."""
        return [moments[ask.seed] - ask.at_s for ask in stream]


class Stock:
    """Stock pipelines, with adapters as the library switches them."""

    def __init__(self, pipeline: Pipeline, adapters: Path, device: str, size: int) -> None:
        self._pipe, self._device, self._size = pipeline, device, size
        for name in ADAPTERS:
            pipeline.load_lora_weights(
                str(adapters), weight_name=f"{name}.safetensors", adapter_name=name
            )

    def draw(self, asks: Sequence[Ask], served: Served, clock: Clock) -> None:
        """One call for requests of one kind."""
        entered, started = clock.now_s, clock.read_s()

        def follow(_pipe: object, step: int, _time: object, state: State) -> State:
            served.calls += 1
            if step == 0:
                for ask in asks:
                    served.first[ask.seed] = entered + clock.read_s() - started
            return state

        def call() -> object:
            if asks[0].adapter is None:
                self._pipe.disable_lora()
            else:
                self._pipe.enable_lora()
                self._pipe.set_adapters(asks[0].adapter)
            return self._pipe(
                [ask.prompt for ask in asks],
                num_inference_steps=asks[0].steps,
                guidance_scale=asks[0].guidance,
                height=self._size,
                width=self._size,
                generator=[torch.Generator().manual_seed(ask.seed) for ask in asks],
                callback_on_step_end=follow,
            ).images

        clock.do(call)
        for ask in asks:
            served.done[ask.seed] = clock.now_s

    def one_by_one(self, stream: Sequence[Ask], clock: Clock) -> Served:
        """In the order of arrival."""
        served = Served()
        for ask in stream:
            clock.now_s = max(clock.now_s, ask.at_s)
            self.draw([ask], served, clock)
        served.end_s = clock.now_s
        return served

    @staticmethod
    def replayed(served: Served, stream: Sequence[Ask]) -> Served:
        """The same work one after another, had the requests come at other moments."""
        again = replace(served, first={}, done={}, end_s=0.0)
        before_s = 0.0
        for ask in stream:
            shift_s = max(again.end_s, ask.at_s) - before_s
            again.first[ask.seed] = served.first[ask.seed] + shift_s
            again.end_s = again.done[ask.seed] = served.done[ask.seed] + shift_s
            before_s = served.done[ask.seed]
        return again

    def in_batches(self, stream: Sequence[Ask], clock: Clock) -> Served:
        """The oldest request with those of its kind that are there, or come while it waits."""
        served, waiting = Served(), list(stream)
        while waiting:
            head = waiting[0]
            clock.now_s = max(clock.now_s, head.at_s)
            latest = max(clock.now_s, head.at_s + WAIT_S)
            same = [a for a in waiting if a.kind == head.kind and a.at_s <= latest][:BATCH]
            full = len(same) == BATCH
            clock.now_s = max(clock.now_s, same[-1].at_s) if full else latest
            self.draw(same, served, clock)
            waiting = [ask for ask in waiting if ask not in same]
        served.end_s = clock.now_s
        return served


class Stepped:
    """The step engine, driven turn by turn by the virtual clock."""

    def __init__(self, checkpoint: Checkpoint, shelf: AdapterShelf, size: int) -> None:
        self._checkpoint, self._shelf, self._size = checkpoint, shelf, size

    def serve(self, stream: Sequence[Ask], clock: Clock, fixed_rows: int | None = None) -> Served:
        """Everyone joins at the next turn after it arrived."""
        served, waiting = Served(), list(stream)
        running: dict[Running, Ask] = {}
        engine = self._checkpoint.engine
        before = engine.tally.calls
        while waiting or running:
            if not running:
                clock.now_s = max(clock.now_s, waiting[0].at_s)
            while waiting and waiting[0].at_s <= clock.now_s:
                ask = waiting.pop(0)
                running[clock.do(partial(self._admitted, ask, fixed_rows))] = ask
            self._turn(running, served, clock)
        served.end_s, served.calls = clock.now_s, engine.tally.calls - before
        return served

    def _turn(self, running: dict[Running, Ask], served: Served, clock: Clock) -> None:
        engine = self._checkpoint.engine
        batch = next_batch(list(running), engine.bound)
        started = clock.now_s
        clock.do(lambda: engine.step(batch))
        served.longest_step_s = max(served.longest_step_s, clock.now_s - started)
        for request in batch:
            served.joined.setdefault(running[request].seed, started)
            served.first.setdefault(running[request].seed, clock.now_s)
            if request.finished:
                ask = running.pop(request)
                decoder = self._checkpoint.decoder
                picture = clock.do(partial(decoder.picture, request.latents))
                served.done[ask.seed] = clock.now_s
                served.pictures[ask.seed] = picture.tobytes()

    def _admitted(self, ask: Ask, fixed_rows: int | None) -> Running:
        wish = Wish(
            ask.prompt,
            width_px=self._size,
            height_px=self._size,
            steps=ask.steps,
            guidance=ask.guidance,
        )
        preparation = self._checkpoint.preparation
        request = preparation.running(wish, preparation.text(wish), ask.seed)
        request.fixed_rows = fixed_rows
        if ask.adapter is not None:
            wanted = (Adapter(name=ask.adapter),)
            found = self._shelf.fetch(wanted, self._checkpoint, "local")
            request.adapters = None if found is None else found.network
        return request


def main() -> None:
    """Serve the stream three times and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", type=Path, nargs="?", help="folder with the trace")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--requests", type=int, default=160)
    parser.add_argument("--size", type=int, default=64, help="side of the pictures")
    parser.add_argument("--widths", type=int, nargs=2, default=(32, 64), help="of the network")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        report(_figures(options, Path(folder)))


def _figures(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    stock, stepped = _built(options, folder)

    def clock() -> Clock:
        return Clock(options.device)

    warm = draw(12, 1e9, options.traces, np.random.default_rng(1))
    for serve in (stock.one_by_one, stock.in_batches, stepped.serve):
        serve(warm, clock())
    drawn = draw(options.requests, 1.0, options.traces, np.random.default_rng(options.seed))
    crowd = [replace(ask, at_s=0.0) for ask in drawn]
    full = [
        _told("one after another, all at once", stock.one_by_one(crowd, clock())),
        _told("batches, all at once", stock.in_batches(crowd, clock())),
        _told("step engine, all at once", stepped.serve(crowd, clock())),
    ]
    pace_s = full[0].end_s / LOAD / len(drawn)
    stream = [replace(ask, at_s=ask.at_s * pace_s) for ask in drawn]
    one = stock.replayed(full[0], stream)
    many = _told("batches", stock.in_batches(stream, clock()))
    engine = _told("step engine", stepped.serve(stream, clock()))
    few = stream[: max(8, options.requests // 5)]
    together = stepped.serve(few, clock(), FIXED_ROWS)
    alone = {a.seed: stepped.serve([a], clock(), FIXED_ROWS).pictures[a.seed] for a in few}
    differing = sum(
        x != y
        for seed, content in alone.items()
        for x, y in zip(content, together.pictures[seed], strict=True)
    )
    figures: dict[str, object] = {}
    for name, served, crowded in zip(
        ("sequential", "batch", "engine"), (one, many, engine), full, strict=True
    ):
        figures |= _summary(name, stream, served) | {
            f"throughput_{name}": round(len(crowd) / crowded.end_s, 3),
            f"crowd_mean_s_{name}": round(statistics.mean(crowded.done.values()), 3),
        }
    p99 = {
        name: float(str(figures[f"image_p99_s_{name}"]))
        for name in ("sequential", "batch", "engine")
    }
    best = max(float(str(figures[f"throughput_{name}"])) for name in ("sequential", "batch"))
    joined = engine.waits(stream, engine.joined)
    return {
        "image_p99_over_sequential": round(p99["engine"] / p99["sequential"], 3),
        "image_p99_over_batch": round(p99["engine"] / p99["batch"], 3),
        "throughput_over_best": round(float(str(figures["throughput_engine"])) / best, 3),
        "first_step_p99_ms": round(1e3 * _p(engine.waits(stream, engine.first), 99), 1),
        "first_step_begun_p99_ms": round(1e3 * _p(joined, 99), 1),
        "largest_step_ms": round(1e3 * engine.longest_step_s, 1),
        "bytes_different": differing,
        "unet_calls": engine.calls,
        "unet_calls_sequential": one.calls,
        "unet_calls_batch": many.calls,
        **figures,
        "n": len(stream),
        "load": LOAD,
        "load_of_this_draw": round(full[0].end_s / stream[-1].at_s, 3),
        "device": options.device,
        "seconds": round(one.end_s + many.end_s + engine.end_s, 1),
    }


def _told(name: str, served: Served) -> Served:
    print(f"{name}: {len(served.done)} pictures in {served.end_s:.1f} s", file=sys.stderr)
    return served


def _summary(name: str, stream: Sequence[Ask], served: Served) -> dict[str, object]:
    first, done = served.waits(stream, served.first), served.waits(stream, served.done)
    return {
        f"first_step_p50_ms_{name}": round(1e3 * statistics.median(first), 1),
        f"first_step_p99_ms_{name}": round(1e3 * _p(first, 99), 1),
        f"image_p50_s_{name}": round(statistics.median(done), 3),
        f"image_p99_s_{name}": round(_p(done, 99), 3),
    }


def _p(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def _built(options: argparse.Namespace, folder: Path) -> tuple[Stock, Stepped]:
    shelf = folder / "checkpoints"
    tiny_checkpoint.sdxl(shelf / "tiny", widths=tuple(options.widths))
    adapters = folder / "adapters"
    adapters.mkdir()
    for seed, name in enumerate(ADAPTERS):
        save_file(tiny_checkpoint.lora(shelf / "tiny", seed=seed), adapters / f"{name}.safetensors")
    chosen = DiffusersOptions(checkpoints=shelf, adapters=adapters, hub=())
    found = Shelf(chosen).find("tiny")
    assert found is not None
    store = LocalArtifactStore(folder / "store", min_free_bytes=0)
    checkpoint = Checkpoint(found, chosen, options.device)
    stepped = Stepped(checkpoint, AdapterShelf(adapters, store, 8), options.size)
    pipeline = load_pipeline(found, found.layout, chosen, options.device)
    return Stock(pipeline, adapters, options.device, options.size), stepped


if __name__ == "__main__":
    main()
