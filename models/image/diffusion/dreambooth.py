"""From a request for a fine-tune to an adapter in the store of its owner."""

import hashlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from PIL import Image, ImageOps

from models.core.artifacts import Asset, Provenance
from models.core.capability import Run, Setup
from models.core.device import out_of_memory
from models.core.errors import CapacityExceeded
from models.image.diffusion.adapter_shelf import MEDIA_TYPE, SUFFIX
from models.image.diffusion.checkpoint import load_pipeline
from models.image.diffusion.layouts import SDXL, Layout, Pipeline
from models.image.diffusion.shelf import Found
from models.image.diffusion.train_lora import Course, Lesson, Training
from models.image.fine_tune import FineTuneRequest, FineTuneResult, LossPoint
from models.image.options import DiffusersOptions
from models.image.sources import read_source

State: TypeAlias = dict[str, Any]
PREPARED = 0.1
"""Progress when the lessons are ready."""
PRIOR_STEPS, PRIOR_GUIDANCE = 20, 5.0
STALE_S = 7 * 24 * 3600.0
"""States of courses that nobody came back to are removed after this time."""
POLL_S = 0.1
MOST_AT_ONCE = 2
"""One that learns and one that waits: the replica's other threads are for pictures."""
RETRY_S = 30.0

logger = logging.getLogger(__name__)


class DreamBooth:
    """Teaches one subject at a time: the network of a course is in memory for itself alone.

    Args:
        setup: Of the capability.
        options: How checkpoints are loaded.
    """

    def __init__(self, setup: Setup, options: DiffusersOptions) -> None:
        self._setup, self._options = setup, options
        self._folder = setup.cache_dir / "fine-tunes"
        self._turn = threading.Lock()
        self._places = threading.Semaphore(MOST_AT_ONCE)

    def teach(
        self, request: FineTuneRequest, found: Found, layout: Layout, run: Run
    ) -> FineTuneResult:
        """Train an adapter and keep it.

        Raises:
            Cancelled: Nobody waits for it any more.
            CapacityExceeded: Memory ran out, or others wait already.
            InvalidInput: A photo is none.
            ModelUnavailable: The checkpoint cannot be loaded.
            UnknownAsset: A photo is not the caller's.
        """
        started = time.perf_counter()
        photos = [read_source(p, run.owner, self._setup.store) for p in request.photos]
        if not self._places.acquire(blocking=False):
            raise CapacityExceeded(f"{MOST_AT_ONCE} fine-tunes are under way already", RETRY_S)
        try:
            with self._own_turn(run), out_of_memory("ask for a smaller size_px or rank"):
                return self._taught(request, photos, found, layout, run, started)
        finally:
            self._places.release()

    @contextmanager
    def _own_turn(self, run: Run) -> Iterator[None]:
        while not self._turn.acquire(timeout=POLL_S):
            run.check()
        try:
            yield
        finally:
            self._turn.release()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _taught(
        self,
        request: FineTuneRequest,
        photos: Sequence[Image.Image],
        found: Found,
        layout: Layout,
        run: Run,
        started: float,
    ) -> FineTuneResult:
        self._remove_stale()
        run.progress(0.0, "load")
        pipeline = load_pipeline(found, layout, self._training_options(), self._setup.device)
        teacher = _Teacher(pipeline, layout, request)
        course = Course(
            subject=teacher.lessons(photos, f"a photo of {request.instance}"),
            prior=teacher.lessons(teacher.drawn(run), f"a photo of {request.kind}"),
            steps=request.steps,
            rank=request.rank,
            learning_rate=request.learning_rate,
            seed=request.seed,
            name=request.adapter_name,
        )
        folder = self._folder / _key(request, photos, found, run.owner)
        training = Training(pipeline, course, folder)
        prepared = time.perf_counter()
        run.progress(PREPARED, "train")
        content = training.run(
            run.check,
            lambda done: run.progress(PREPARED + (0.98 - PREPARED) * done, "train"),
        )
        asset = self._kept(content, request, found, run)
        shutil.rmtree(folder, ignore_errors=True)
        logger.info("adapter trained", extra={"steps": request.steps})
        return FineTuneResult(
            adapter=asset,
            name=request.adapter_name,
            model=found.name,
            steps=request.steps,
            resumed_from=training.resumed_from,
            layers=training.layers,
            losses=tuple(LossPoint(step=s, loss=round(v, 6)) for s, v in training.curve()),
            timings_s={
                "prepare": round(prepared - started, 3),
                "train": round(time.perf_counter() - prepared, 3),
            },
        )

    def _training_options(self) -> DiffusersOptions:
        # Half precision loses small gradients; bfloat16 has the range of single precision.
        on_gpu = self._setup.device == "cuda" and torch.cuda.is_bf16_supported()
        return self._options.model_copy(update={"dtype": "bfloat16" if on_gpu else "float32"})

    def _kept(self, content: bytes, request: FineTuneRequest, found: Found, run: Run) -> Asset:
        return self._setup.store.put(
            content,
            owner=run.owner,
            media_type=MEDIA_TYPE,
            filename=f"{request.adapter_name}{SUFFIX}",
            provenance=Provenance(
                capability="image",
                backend="dreambooth",
                model=f"{found.name} {found.version}",
                seed=request.seed,
                prompt_sha256=hashlib.sha256(request.instance.encode()).hexdigest(),
                inputs=tuple(p.asset_id for p in request.photos if p.asset_id is not None),
            ),
        )

    def _remove_stale(self) -> None:
        for folder in self._folder.glob("*"):
            if time.time() - folder.stat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)


class _Teacher:
    """Makes lessons of pictures, once, so that steps need the network alone."""

    def __init__(self, pipeline: Pipeline, layout: Layout, request: FineTuneRequest) -> None:
        self._pipe, self._layout, self._request = pipeline, layout, request
        pipeline.vae.to(torch.float32)  # SDXL's overflows in half precision

    def drawn(self, run: Run) -> list[Image.Image]:
        """Pictures of the kind as the checkpoint knows it."""
        request, made = self._request, []

        def follow(_pipe: object, _step: int, _time: object, state: State) -> State:
            run.check()
            return state

        for number in range(request.prior_pictures):
            run.check()
            run.progress(PREPARED * number / request.prior_pictures, "draw")
            made += self._pipe(
                f"a photo of {request.kind}",
                num_inference_steps=PRIOR_STEPS,
                guidance_scale=PRIOR_GUIDANCE,
                height=request.size_px,
                width=request.size_px,
                generator=torch.Generator("cpu").manual_seed(request.seed + number),
                callback_on_step_end=follow,
            ).images
        return made

    @torch.no_grad()
    def lessons(self, pictures: Sequence[Image.Image], caption: str) -> list[Lesson]:
        """The pictures, cut to squares, with their caption."""
        if not pictures:
            return []
        states = self._pipe.encode_prompt(
            prompt=caption,
            device=self._pipe.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
        added = {}
        if self._layout is SDXL:
            side = self._request.size_px
            sizes = torch.tensor([[side, side, 0, 0, side, side]]).to(states[2])
            added = {"text_embeds": states[2], "time_ids": sizes}
        return [Lesson(self._latents(picture), states[0], added) for picture in pictures]

    def _latents(self, picture: Image.Image) -> torch.Tensor:
        side = self._request.size_px
        square = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
        values = self._pipe.image_processor.preprocess(square).to(self._pipe.device, torch.float32)
        vae = self._pipe.vae
        latents: torch.Tensor = vae.encode(values).latent_dist.mode() * vae.config.scaling_factor
        return latents


def _key(request: FineTuneRequest, photos: Sequence[Image.Image], found: Found, owner: str) -> str:
    """The same course of the same owner has the same state, others have others."""
    digest = hashlib.sha256(json.dumps([owner, found.name, found.version]).encode())
    digest.update(request.model_dump_json(exclude={"photos"}).encode())
    for photo in photos:
        digest.update(photo.tobytes())
    return digest.hexdigest()
