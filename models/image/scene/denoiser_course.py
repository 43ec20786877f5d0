"""How the diffusion model is trained: staged scenes, noised afresh at every step."""

import numpy as np
import torch
from torch import Tensor

from models.image.scene.denoiser import SceneDenoiser, denoising_loss
from models.image.scene.fields import Conditions, Fields, conditions, encode
from models.image.scene.fitting import Course
from models.image.scene.staging import Stager

BATCH = 256


def staged_scenes(scenes: int, seed: int) -> tuple[Fields, Conditions]:
    """Draw briefs and stage each."""
    stager = Stager(seed)
    briefs = [stager.brief() for _ in range(scenes)]
    return encode(briefs, [stager.stage(brief) for brief in briefs]), conditions(briefs)


def denoiser_course(
    net: SceneDenoiser, scenes: tuple[Fields, Conditions], seed: int, steps: int, batch: int = BATCH
) -> Course:
    """Random batches of staged scenes."""
    fields, briefs = scenes

    def loss_at(step: int) -> Tensor:
        chosen = np.random.default_rng([seed, step]).integers(len(fields.stage), size=batch)
        rows = torch.from_numpy(chosen)
        return denoising_loss(
            net,
            Fields(*(part[rows] for part in fields)),
            Conditions(*(part[rows] for part in briefs)),
        )

    return Course("denoiser", steps, 2e-3, loss_at)
