"""Random generators by purpose: one seed, independent streams, the same on every machine."""

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

SEED_LIMIT = 2**31
"""Seeds lie below it, as requests demand."""


def draw_seed() -> int:
    """A seed that nobody can foresee, small enough for JSON and every library."""
    return secrets.randbelow(SEED_LIMIT)


def derive(seed: int, *labels: str | int) -> int:
    """256 bits for one purpose; other labels give bits that tell nothing of these."""
    words = json.dumps([int(seed), *labels]).encode()
    return int.from_bytes(hashlib.sha256(words).digest(), "big")


def numpy_generator(seed: int, *labels: str | int) -> np.random.Generator:
    """A generator for one purpose, such as `numpy_generator(seed, "lights", frame)`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *labels)))


def torch_generator(seed: int, *labels: str | int) -> "torch.Generator":
    """A generator on the CPU, where the same seed draws the same numbers with or without a GPU."""
    import torch  # noqa: PLC0415  # takes seconds

    return torch.Generator(device="cpu").manual_seed(derive(seed, *labels) % 2**63)
