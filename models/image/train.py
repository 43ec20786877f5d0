"""Train the scene model: `python -m models.image.train --out DIR`.

Seeded and resumable; runs on one CPU thread. What it leaves in DIR is what `SceneDiffusion.load`
reads; checkpoints beside it let `--resume` go on after an interruption.
"""

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from models.core.minilm import MiniLM
from models.core.weights import save_weights
from models.image.scene.denoiser import SceneDenoiser
from models.image.scene.denoiser_course import denoiser_course, staged_scenes
from models.image.scene.fitting import fit
from models.image.scene.lexicon import Lexicon
from models.image.scene.reader import Reader
from models.image.scene.reader_course import lessons, reader_course
from models.image.scene.units import UnitReader

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How much the two networks are taught."""

    captions: int = 28_000
    reader_steps: int = 4_500
    reader_batch: int = 64
    scenes: int = 12_000
    denoiser_steps: int = 2_200
    denoiser_batch: int = 192


def train(
    out: Path,
    seed: int = 0,
    plan: Plan | None = None,
    *,
    resume: bool = False,
    cpu_minutes: float | None = None,
    units: UnitReader | None = None,
) -> str | None:
    """Train both networks and save them.

    Args:
        out: Folder of weights and checkpoints.
        seed: Of captions, scenes, initial weights and noise.
        plan: Amounts; the shipped weights have the default.
        resume: Go on from the checkpoints in `out`.
        cpu_minutes: Stop with a checkpoint once this process has used so much.
        units: Reads the captions; loaded if absent.

    Returns:
        The SHA-256 of the weights, or `None` if the time was spent before the end.
    """
    plan = plan or Plan()
    stop_at_s = float("inf") if cpu_minutes is None else time.process_time() + 60 * cpu_minutes
    torch.manual_seed(seed)
    denoiser, reader = SceneDenoiser(), Reader()
    scenes = staged_scenes(plan.scenes, seed)
    course = denoiser_course(denoiser, scenes, seed, plan.denoiser_steps, plan.denoiser_batch)
    if not fit(denoiser, course, out, seed, resume=resume, stop_at_s=stop_at_s):
        return None
    units = units or UnitReader(Lexicon(), MiniLM.load())
    taught = lessons(units, plan.captions, seed)
    logger.info("%d captions read, %.0f CPU-s so far", len(taught), time.process_time())
    reading = reader_course(reader, taught, seed, plan.reader_steps, plan.reader_batch)
    if not fit(reader, reading, out, seed, resume=resume, stop_at_s=stop_at_s):
        return None
    tensors = {f"reader.{k}": v.half() for k, v in reader.state_dict().items()}
    tensors |= {f"denoiser.{k}": v.half() for k, v in denoiser.state_dict().items()}
    return save_weights(out, "scene_diffusion.safetensors", tensors, seed=seed)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of weights and checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-minutes", type=float, help="stop with a checkpoint after so long")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in DIR")
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
