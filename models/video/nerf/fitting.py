"""From posed views to a field."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.core.crew import cores, crew
from models.core.errors import InvalidInput
from models.video.nerf.field import VoxelField
from models.video.nerf.learner import Learner
from models.video.nerf.score import held_out_scores
from models.video.nerf.settings import FitSettings
from models.video.nerf.views import Views

if TYPE_CHECKING:
    from models.core.capability import Run

REPORT_EVERY = 10
FITTED_SHARE = 0.97
"""Of the progress; judging is the rest."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A field, and how good it is.

    Attributes:
        field: Fitted to all views but the held-out ones.
        held_out_psnr_db: Mean over the held-out views.
        held_out_ssim: Mean over the held-out views.
        seconds: Wall clock, of this call.
        iterations: In all, those of a resumed fit included.
    """

    field: VoxelField
    held_out_psnr_db: float
    held_out_ssim: float
    seconds: float
    iterations: int


def fit(
    views: Views,
    settings: FitSettings,
    run: "Run",
    resume: bytes | None = None,
    keep: Callable[[bytes], None] | None = None,
) -> Fitted:
    """Fit a field; the same views and settings give the same field, resumed or not.

    Args:
        views: Some are held out.
        settings: See `FitSettings`.
        run: Told of progress, polled between batches.
        resume: A checkpoint of the same views and settings.
        keep: Takes a checkpoint now and then, and when the run is cancelled.

    Raises:
        Cancelled: Nobody waits for the field.
        InvalidInput: The checkpoint or the views cannot be used.
    """
    started = time.perf_counter()
    threads = settings.threads or cores()
    with crew(threads) as share:
        learner = Learner(views, settings, share)
        if resume is not None:
            restore(learner, resume)
        try:
            _learn(learner, settings, run, keep)
        except BaseException:
            if keep is not None and 0 < learner.iteration < settings.iterations:
                keep(checkpoint(learner))
            raise
    field = learner.field(threads)
    psnr, similarity = held_out_scores(field, views, np.ones(3, np.float32), run)
    run.progress(1.0, "fit")
    seconds = time.perf_counter() - started
    return Fitted(field, psnr, similarity, seconds, learner.iteration)


def _learn(
    learner: Learner, settings: FitSettings, run: "Run", keep: Callable[[bytes], None] | None
) -> None:
    while learner.iteration < settings.iterations:
        run.check()
        learner.step()
        done = learner.iteration
        if done % REPORT_EVERY == 0:
            run.progress(FITTED_SHARE * done / settings.iterations, "fit")
        if keep is not None and done % settings.keep_every == 0 and done < settings.iterations:
            keep(checkpoint(learner))


def checkpoint(learner: Learner) -> bytes:
    """A safetensors file to resume from."""
    from safetensors.numpy import save  # noqa: PLC0415  # only where checkpoints are kept

    tensors = {k: np.ascontiguousarray(v) for k, v in sorted(learner.checkpoint().items())}
    return save(tensors)


def restore(learner: Learner, content: bytes) -> None:
    """Let a learner go on from a checkpoint.

    Raises:
        InvalidInput: It is none, or one of other views or settings.
    """
    from safetensors import SafetensorError  # noqa: PLC0415  # see checkpoint
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        learner.restore(load(content))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"this is no checkpoint of a fit: {error}") from error
