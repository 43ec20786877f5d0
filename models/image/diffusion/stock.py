"""Checkpoints that the step engine does not know: the stock pipeline, one picture at a time."""

import inspect
import threading
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from models.core.capability import Run
from models.core.device import out_of_memory
from models.core.errors import InvalidInput
from models.image.diffusion.checkpoint import load_pipeline
from models.image.diffusion.preparation import Wish
from models.image.diffusion.shelf import Found
from models.image.options import DiffusersOptions

POLL_S = 0.1
NOTE = "this model is not driven step by step: requests wait for each other"


class StockCheckpoint:
    """A checkpoint as its own pipeline runs it.

    Attributes:
        notes: What that costs.
    """

    def __init__(self, found: Found, options: DiffusersOptions, device: str) -> None:
        self.notes = (NOTE,)
        self._pipeline = load_pipeline(found, None, options, device)
        self._takes = set(inspect.signature(type(self._pipeline).__call__).parameters)
        self._turn = threading.Lock()

    def close(self) -> None:
        """Let the memory go."""
        del self._pipeline
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def pictures(self, wish: Wish, seeds: Sequence[int], run: Run) -> list[Image.Image]:
        """The pictures, in the order of the seeds.

        Raises:
            Cancelled: The caller left.
            CapacityExceeded: Memory ran out.
            InvalidInput: The pipeline refuses the size or the like.
        """
        while not self._turn.acquire(timeout=POLL_S):
            run.check()
        try:
            count = len(seeds)
            return [self._one(wish, seed, run.part(i, count)) for i, seed in enumerate(seeds)]
        finally:
            self._turn.release()

    def _one(self, wish: Wish, seed: int, run: Run) -> Image.Image:
        def follow(_pipe: Any, step: int, _time: Any, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
            run.check()
            run.progress(min(0.98, (step + 1) / wish.steps), "steps")
            return state

        arguments = {
            "prompt": wish.prompt,
            "negative_prompt": wish.negative_prompt or None,
            "width": wish.width_px,
            "height": wish.height_px,
            "num_inference_steps": wish.steps,
            "guidance_scale": wish.guidance,
            "generator": torch.Generator("cpu").manual_seed(seed),
            "callback_on_step_end": follow,
        }
        run.check()
        known = {name: value for name, value in arguments.items() if name in self._takes}
        try:
            with out_of_memory("ask for a smaller size"):
                pictures: list[Image.Image] = self._pipeline(**known).images
        except ValueError as error:  # how pipelines refuse what they are asked for
            raise InvalidInput(f"the model's pipeline refuses this: {error}") from error
        return pictures[0]
