"""A checkpoint in memory; one at a time, since each fills a GPU."""

import gc
import importlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import torch

from models.core.assembly import assembling
from models.core.capability import Run
from models.core.device import out_of_memory
from models.core.errors import ModelUnavailable
from models.video.diffusion.families import Family
from models.video.diffusion.options import DiffusionOptions
from models.video.diffusion.shelf import Found

Pipeline: TypeAlias = Any
"""A pipeline of diffusers: reading the library's types would take a minute."""
POLL_S: Final = 0.1

logger = logging.getLogger(__name__)


class Projector:
    """Holds the pipeline that was used last, for one run at a time.

    Args:
        options: How checkpoints are run.
        device: `cpu` or `cuda`.
    """

    def __init__(self, options: DiffusionOptions, device: str) -> None:
        self._options, self._device = options, device
        self._turn = threading.Lock()
        self._held: tuple[str, str, str] | None = None
        self._pipeline: Pipeline = None

    @contextmanager
    def pipeline(self, found: Found, family: Family, kind: str, run: Run) -> Iterator[Pipeline]:
        """The pipeline of a checkpoint, for this run alone.

        Args:
            found: Which checkpoint.
            family: Its family.
            kind: Class of diffusers.
            run: Polled while others have it.

        Raises:
            Cancelled: The caller left while it waited.
            ModelUnavailable: It cannot be loaded.
        """
        while not self._turn.acquire(timeout=POLL_S):
            run.check()
        try:
            wanted = (found.name, found.version, kind)
            if self._held != wanted:
                run.progress(0.0, "loading the model")
                self._let_go()
                self._pipeline = _loaded(found, family, kind, self._options, self._device)
                self._held = wanted
            yield self._pipeline
        finally:
            self._turn.release()

    def _let_go(self) -> None:
        self._pipeline = self._held = None
        gc.collect()
        if self._device == "cuda":
            torch.cuda.empty_cache()


def _loaded(
    found: Found, family: Family, kind: str, options: DiffusionOptions, device: str
) -> Pipeline:
    """From safetensors alone, and no code of the checkpoint."""
    library: Any = importlib.import_module("diffusers")
    library.utils.logging.disable_progress_bar()
    library.utils.logging.set_verbosity_error()
    importlib.import_module("transformers.utils.logging").disable_progress_bar()
    with out_of_memory("the model does not fit into this machine's memory"):
        try:
            with assembling():
                pipeline = getattr(library, kind).from_pretrained(
                    str(found.folder),
                    dtype=dtype_of(options, family, device),
                    use_safetensors=True,
                    local_files_only=True,
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("checkpoint not loaded", extra={"error": type(error).__name__})
            raise ModelUnavailable(
                f"{found.name!r} cannot be loaded ({type(error).__name__}); check that the "
                "checkpoint is complete and has .safetensors files"
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(device)
        if family.name == "wan":
            # Its authors decode in single precision; half shows as banding.
            pipeline.vae.to(torch.float32)
    return pipeline


def dtype_of(options: DiffusionOptions, family: Family, device: str) -> torch.dtype:
    """What the network computes in."""
    chosen = options.dtype
    if chosen == "auto":
        chosen = family.half if device == "cuda" else "float32"
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[chosen]
