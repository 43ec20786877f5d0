"""Train the network that enlarges frames: `python -m models.video.enlarging.train --out DIR`.

Seeded and resumable; runs on one CPU thread. What it leaves in DIR is what
`models.media.enlarging` reads; checkpoints beside it let `--resume` go on after an interruption.
"""

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from models.core.seeds import numpy_generator
from models.core.weights import save_weights
from models.image.scene.fitting import Course, fit
from models.media.enlarging.network import Doubler
from models.media.enlarging.weights import FILE, VERSION
from models.video.enlarging.lessons import Lessons, drawn, filmed

logger = logging.getLogger(__name__)

LARGE_ERROR: Final = 0.05
"""Errors beyond it count by themselves, smaller ones by their squares: edges do not rule over grain."""
RESTRAINT: Final = 0.75
"""Share of the correction that is kept: edges lose little by it, and grain, which only looks like
edges, is not made worse than the filter leaves it."""


@dataclass(frozen=True)
class Plan:
    """How much the network is taught."""

    scenes: int = 32
    drawings: int = 100
    side_px: int = 384
    steps: int = 19_000
    batch: int = 16
    learning_rate: float = 2e-3


def train(
    out: Path,
    seed: int = 0,
    plan: Plan | None = None,
    *,
    resume: bool = False,
    cpu_minutes: float | None = None,
) -> str | None:
    """Train the network and save it.

    Args:
        out: Folder of weights and checkpoints.
        seed: Of pictures, initial weights and patches.
        plan: Amounts; the shipped weights have the default.
        resume: Go on from the checkpoint in `out`.
        cpu_minutes: Stop with a checkpoint once this process has used so much.

    Returns:
        The SHA-256 of the weights, or `None` if the time was spent before the end.
    """
    plan = plan or Plan()
    stop_at_s = float("inf") if cpu_minutes is None else time.process_time() + 60 * cpu_minutes
    torch.manual_seed(seed)
    net = Doubler()
    lessons = Lessons(
        filmed(plan.scenes, plan.side_px, seed),
        drawn(plan.drawings, plan.side_px, seed),
        net.margin,
    )
    logger.info("pictures are ready, %.0f CPU-s so far", time.process_time())
    course = _course(net, lessons, plan, seed)
    if not fit(net, course, out, seed, resume=resume, stop_at_s=stop_at_s):
        return None
    return save(net, out, seed)


def save(net: Doubler, out: Path, seed: int) -> str:
    """Write the weights, the correction held back; returns their SHA-256."""
    tensors = {
        name: RESTRAINT * value if name.startswith("last.") else value
        for name, value in net.state_dict().items()
    }
    return save_weights(out, FILE, tensors, seed=seed, version=VERSION)


def _course(net: Doubler, lessons: Lessons, plan: Plan, seed: int) -> Course:
    def loss(step: int) -> Tensor:
        small, large = lessons.batch(plan.batch, numpy_generator(seed, "patches", step))
        error = net(small) - large
        return torch.sqrt(error * error + LARGE_ERROR**2).mean() - LARGE_ERROR

    return Course("doubler", plan.steps, plan.learning_rate, loss, checkpoint_steps=1_000)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of weights and checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-minutes", type=float, help="stop with a checkpoint after so long")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    digest = train(
        options.out, options.seed, resume=options.resume, cpu_minutes=options.cpu_minutes
    )
    done = f"weights {digest}" if digest else "time spent; go on with --resume"
    logger.info("%s, %.1f CPU-min", done, time.process_time() / 60)


if __name__ == "__main__":
    main()
