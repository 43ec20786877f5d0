"""Request traces: the file format of GenTD26, superposition to higher loads, and a generator.

GenTD26 is alibaba/clusterdata, cluster-trace-v2026-GenAI. Its `exec_time_seconds` contains
queueing and model loads, so the work of a request is the lower quartile of all with the same base
model, image count and use of a LoRA; cells with few rows fall back on the model, then on all.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MIN_ROWS = 20  # a cell with fewer says little
MIN_SERVICE_S = 3.0
JITTER_S = 300.0
DAY_S = 86_400.0
POPULARITY = 1.49  # slope of log share over log rank in GenTD26


@dataclass(frozen=True)
class Trace:
    """Requests in the order of arrival; all arrays have one entry per request.

    Attributes:
        arrival_s: Seconds from the start.
        service_s: Seconds of work with the model in place.
        model: Number of the base model.
        lora: Whether a LoRA is loaded for it.
    """

    arrival_s: Floats
    service_s: Floats
    model: Ints
    lora: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.arrival_s)

    def between(self, start_s: float, end_s: float) -> "Trace":
        """The requests of a span, counted from its start."""
        inside = (self.arrival_s >= start_s) & (self.arrival_s < end_s)
        return Trace(
            self.arrival_s[inside] - start_s,
            self.service_s[inside],
            self.model[inside],
            self.lora[inside],
        )

    def times(self, load: int, rng: np.random.Generator) -> "Trace":
        """This trace `load` times over, the copies shifted a little per request."""
        copies = np.tile(np.arange(len(self)), load)
        shift_s = rng.uniform(-JITTER_S, JITTER_S, len(copies))
        shift_s[: len(self)] = 0.0
        arrival_s = np.maximum(self.arrival_s[copies] + shift_s, 0.0)
        order = np.argsort(arrival_s, kind="stable")
        picked = copies[order]
        return Trace(
            arrival_s[order], self.service_s[picked], self.model[picked], self.lora[picked]
        )


def read_trace(path: Path, start: datetime) -> Trace:
    """Read a GenTD26 request file.

    Args:
        path: The CSV file.
        start: Requests before this are left out; time counts from here.
    """
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if _is_served(row)]
    service_s = _service_s(rows)
    names: dict[str, int] = {}
    model = [names.setdefault(r["checkpoint_model_version_id"], len(names)) for r in rows]
    at_s = [(_moment(row["gmt_create"]) - start).total_seconds() for row in rows]
    order = [i for i in np.argsort(at_s, kind="stable") if at_s[i] >= 0]
    return Trace(
        np.array([at_s[i] for i in order]),
        np.array([service_s[i] for i in order]),
        np.array([model[i] for i in order]),
        np.array([int(rows[i]["num_lora"]) > 0 for i in order], dtype=np.bool_),
    )


def _is_served(row: dict[str, str]) -> bool:
    return row["predict_status"] == "SUCCEED" and bool(row["checkpoint_model_version_id"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _service_s(rows: Sequence[dict[str, str]]) -> list[float]:
    taken = [float(row["exec_time_seconds"]) for row in rows]
    cells: dict[tuple[object, ...], list[float]] = {}
    for row, seconds in zip(rows, taken, strict=True):
        for key in _cells(row):
            cells.setdefault(key, []).append(seconds)
    quartile = {key: float(np.quantile(found, 0.25)) for key, found in cells.items()}
    return [
        max(
            next(quartile[k] for k in _cells(row) if k == () or len(cells[k]) >= MIN_ROWS),
            MIN_SERVICE_S,
        )
        for row in rows
    ]


def _cells(row: dict[str, str]) -> tuple[tuple[object, ...], ...]:
    """The cells of a row, the narrowest first."""
    images = float(row["num_images_per_prompt"] or 1)
    bucket = next((b for b, top in ((1, 1), (2, 2), (4, 5)) if images <= top), 8)
    model = row["checkpoint_model_version_id"]
    return (model, bucket, int(row["num_lora"]) > 0), (model,), ()


def generate(requests: int, span_s: float, rng: np.random.Generator, models: int = 76) -> Trace:
    """Draw a trace with the statistics of GenTD26.

    Arrivals are Poisson around a daily rhythm whose peak is three times its mean, base models
    follow a power law with exponent 1.49, and the work of a request is log-normal with median
    16 s.

    Args:
        requests: How many.
        span_s: Over how long.
        rng: Source of chance.
        models: How many base models there are.
    """
    arrival_s = np.sort(_daily(requests, span_s, rng))
    share = 1.0 / np.arange(1, models + 1) ** POPULARITY
    return Trace(
        arrival_s,
        np.maximum(rng.lognormal(np.log(16.0), 0.35, requests), MIN_SERVICE_S),
        rng.choice(models, requests, p=share / share.sum()),
        rng.random(requests) < 0.15,
    )


def _daily(requests: int, span_s: float, rng: np.random.Generator) -> Floats:
    """Arrivals by rejection from the rate of the day."""
    found = np.empty(0)
    while len(found) < requests:
        at_s = rng.uniform(0, span_s, 2 * requests)
        rate = np.exp(2.0 * np.cos(2 * np.pi * at_s / DAY_S - np.pi)) / np.exp(2.0)
        found = np.concatenate([found, at_s[rng.random(len(at_s)) < rate]])
    return rng.permutation(found)[:requests]
