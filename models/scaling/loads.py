"""How long it takes to load a base model or a LoRA: draws from measured percentiles."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.scaling.trace import Floats

FAST_BELOW_S = 10.0  # base model loads have two modes: host memory, and storage
DRAWS = 1 << 14

# Percentiles in seconds of GenTD26 (132 containers, 22 hours).
BASE_MODEL_S = {0.0: 1.4, 10.0: 2.6, 30.0: 3.6, 36.0: 9.0, 40.0: 20.0, 50.0: 22.7, 60.0: 26.9}
BASE_MODEL_S |= {70.0: 35.4, 80.0: 38.3, 90.0: 42.0, 99.0: 51.8, 100.0: 79.0}
LORA_S = {0.0: 2.0, 10.0: 2.7, 50.0: 4.4, 90.0: 6.1, 99.0: 8.2, 100.0: 39.0}


@dataclass(frozen=True)
class LoadTimes:
    """Draws of loading times, in seconds.

    Attributes:
        host_s: A base model from host memory.
        storage_s: A base model from storage.
        lora_s: A LoRA.
    """

    host_s: tuple[float, ...]
    storage_s: tuple[float, ...]
    lora_s: tuple[float, ...]

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        base_model_s: Mapping[float, float] = BASE_MODEL_S,
        lora_s: Mapping[float, float] = LORA_S,
    ) -> "LoadTimes":
        """Draw from distributions given as percentiles."""
        base = _inverse(base_model_s, rng.uniform(0, 100, 3 * DRAWS))
        return cls(
            tuple(base[base < FAST_BELOW_S].tolist()),
            tuple(base[base >= FAST_BELOW_S].tolist()),
            tuple(_inverse(lora_s, rng.uniform(0, 100, DRAWS)).tolist()),
        )


def read_percentiles(path: Path) -> tuple[dict[float, float], dict[float, float]]:
    """Percentiles of base model and LoRA loads, in seconds, from GenTD26's summary."""
    series = json.loads(path.read_text())["series"]
    return _seconds(series["base_model_load"]), _seconds(series["lora_load"])


def _seconds(series: Mapping[str, Mapping[str, float]]) -> dict[float, float]:
    return {float(share): ms / 1e3 for share, ms in series["percentiles_ms"].items()}


def _inverse(percentiles: Mapping[float, float], at: Floats) -> Floats:
    shares = sorted(percentiles)
    return np.interp(at, shares, [percentiles[share] for share in shares])


def endless(values: tuple[float, ...]) -> Iterator[float]:
    """The values over and over."""
    while True:
        yield from values
