"""The stream of requests of `benchmarks.step_engine`, and a clock that only work moves."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

TRACE = "lora_request_trace_2024-11.csv"
STEPS = {30: 0.91, 40: 0.05, 20: 0.04}
"""Of the production trace, where its file is not given."""
ADAPTED = 0.155
"""Requests with an adapter there."""
FEWEST_STEPS, MOST_STEPS = 4, 50
ANY_STEPS = 0.25
"""Requests of any number of steps: the trace has nearly 30 throughout, mixed services have not."""
GUIDED = 0.75
ADAPTERS = ("red", "green", "blue")
WORDS = ("red", "blue", "golden", "cube", "cat", "teapot", "house", "moon", "on", "under", "glass")

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Ask:
    """One request of the stream.

    Attributes:
        at_s: Arrival.
        prompt: Random words.
        steps: 4 to 50.
        guidance: 5, or 1 for off.
        adapter: One of three, or none.
        seed: Of its noise.
    """

    at_s: float
    prompt: str
    steps: int
    guidance: float
    adapter: str | None
    seed: int

    @property
    def kind(self) -> tuple[int, float, str | None]:
        """Requests of one kind can share a call of a stock pipeline."""
        return (self.steps, self.guidance, self.adapter)


def draw(count: int, rate: float, traces: Path | None, rng: np.random.Generator) -> list[Ask]:
    """A Poisson stream; kinds of requests as they come in the trace.

    Args:
        count: Requests.
        rate: Per second.
        traces: Folder with the trace, or its published shares.
        rng: Draws everything.
    """
    if traces is None:
        steps = rng.choice(list(STEPS), count, p=list(STEPS.values()))
        adapted = rng.random(count) < ADAPTED
    else:
        with (traces / TRACE).open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["num_inference_steps"]]
        kept = [rows[i] for i in rng.integers(0, len(rows), count)]
        steps = np.array([int(float(row["num_inference_steps"])) for row in kept])
        adapted = np.array([int(row["num_lora"]) > 0 for row in kept])
    mixed = rng.random(count) < ANY_STEPS
    steps = np.where(mixed, rng.integers(FEWEST_STEPS, MOST_STEPS + 1, count), steps)
    arrivals = np.cumsum(rng.exponential(1 / rate, count))
    return [
        Ask(
            at_s=float(arrivals[i]),
            prompt=" ".join(rng.choice(WORDS, 6)),
            steps=int(np.clip(steps[i], FEWEST_STEPS, MOST_STEPS)),
            guidance=5.0 if rng.random() < GUIDED else 1.0,
            adapter=str(rng.choice(ADAPTERS)) if adapted[i] else None,
            seed=i,
        )
        for i in range(count)
    ]


class Clock:
    """Time as one worker lives it: it passes with the work done and nothing else.

    On a processor work is measured in its CPU seconds, so that others on the machine change
    nothing; on a GPU by the wall, after the device has finished.
    """

    def __init__(self, device: str) -> None:
        self.now_s = 0.0
        self._device = device

    def do(self, work: Callable[[], ValueT]) -> ValueT:
        """Do something and let the time pass that it took."""
        before = self.read_s()
        result = work()
        self.now_s += self.read_s() - before
        return result

    def read_s(self) -> float:
        """A point in the worker's own time."""
        if self._device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()
