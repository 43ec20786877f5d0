"""A checkpoint in memory: its pipeline, and the step engine that drives it."""

import gc
import importlib
import importlib.util
import logging
import threading
from collections.abc import Callable
from typing import Any

import torch

from models.core.assembly import assembling
from models.core.errors import ModelUnavailable
from models.image.diffusion.adapters import AdaptedNetwork
from models.image.diffusion.attention import take_xformers
from models.image.diffusion.decoding import Decoder
from models.image.diffusion.engine import StepEngine
from models.image.diffusion.forward import Forward
from models.image.diffusion.gauges import CudaGauge, HostGauge
from models.image.diffusion.layouts import Layout, Pipeline, diffusers
from models.image.diffusion.memory import RowBudget
from models.image.diffusion.preparation import Preparation
from models.image.diffusion.shelf import Found
from models.image.options import DiffusersOptions

COMPILED_ROWS = (1, 2, 4, 8, 16, 32, 64)
"""Compiled networks are made for each number of rows, so there must be few."""

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")

logger = logging.getLogger(__name__)


class Checkpoint:
    """One checkpoint that the step engine drives.

    Args:
        found: Where it lies.
        options: How it is run.
        device: `cpu` or `cuda`.

    Attributes:
        name: As requests name it.
        version: Of its files.
        device: `cpu` or `cuda`.
        engine: Steps its requests.
        preparation: Makes requests for the engine; hold `text_lock`, and `pixel_lock` where a
            picture is given.
        adaptable: What adapters may change, by name of the part of the pipeline.
        decoder: Makes pictures of latents; hold `pixel_lock`.
        notes: What was wished for and could not be had.

    Raises:
        ModelUnavailable: It cannot be loaded.
    """

    def __init__(self, found: Found, options: DiffusersOptions, device: str) -> None:
        self.name, self.version, self.device = found.name, found.version, device
        if found.layout is None:
            raise ModelUnavailable(f"{found.name!r} is not of a layout that the step engine drives")
        self.pipeline = load_pipeline(found, found.layout, options, device)
        self.dtype = self.pipeline.unet.dtype
        self.notes = _tuned(self.pipeline, options, device)
        self.text_lock, self.pixel_lock = threading.Lock(), threading.Lock()
        self.forward = Forward(self.pipeline.unet, COMPILED_ROWS if options.compile else ())
        self.adaptable = {
            name: AdaptedNetwork(part)
            for name in TEXT_ENCODERS
            if (part := getattr(self.pipeline, name, None)) is not None
        }
        self.preparation = Preparation(self.pipeline, found.layout, device, self.adaptable)
        self.adaptable["unet"] = self.forward.adapters
        self.decoder = Decoder(self.pipeline)
        gauge = CudaGauge() if device == "cuda" else HostGauge()
        budget = RowBudget(gauge, _probe(self.pipeline, device), options.max_rows)
        side = int(self.pipeline.unet.config.sample_size)
        # A processor takes minutes for a large forward: its memory follows from that of a small one.
        budget.measure(side**2 if device == "cuda" else max(16, side // 4) ** 2)
        self.engine = StepEngine(self.forward, budget, name=f"steps-{found.name}", device=device)
        # A full collection walks every object of the libraries and holds all steps up meanwhile.
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """End the engine and let the memory go."""
        self.engine.close()
        del self.pipeline, self.forward, self.adaptable, self.preparation, self.decoder, self.engine
        gc.unfreeze()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def load_pipeline(
    found: Found,
    layout: Layout | None,
    options: DiffusersOptions,
    device: str,
) -> Pipeline:
    """Load a checkpoint with the library; from safetensors alone, and no code of the checkpoint.

    Raises:
        ModelUnavailable: It is damaged, or a part of it cannot be had.
    """
    library = diffusers()
    kind = library.AutoPipelineForText2Image if layout is None else getattr(library, layout.text)
    try:
        with assembling():
            pipeline = kind.from_pretrained(
                str(found.folder or found.name),
                dtype=_dtype(options, device),
                use_safetensors=True,
                local_files_only=found.folder is not None or not options.download,
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        logger.warning("checkpoint not loaded", extra={"error": type(error).__name__})
        raise ModelUnavailable(
            f"{found.name!r} cannot be loaded ({type(error).__name__}); check that the checkpoint "
            "is complete and has .safetensors files"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _dtype(options: DiffusersOptions, device: str) -> torch.dtype:
    chosen = options.dtype
    if chosen == "auto":
        chosen = "float16" if device == "cuda" else "float32"
    return {
        "float32": torch.float32,
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
    }[chosen]


def _tuned(pipeline: Pipeline, options: DiffusersOptions, device: str) -> tuple[str, ...]:
    """Apply what the options ask for, as far as the machine allows it; returns what it does not."""
    notes = []
    if options.attention == "xformers":
        reason = take_xformers(pipeline.unet, device)
        if reason is not None:
            notes.append(f"{reason}: torch's own attention is used")
    if options.quantize is not None:
        notes += _quantized(pipeline.unet, options.quantize)
    if options.compile:
        pipeline.unet.compile_repeated_blocks()
    return tuple(notes)


def _quantized(unet: Pipeline, kind: str) -> list[str]:
    if importlib.util.find_spec("torchao") is None:
        return ["torchao is not installed: weights keep their precision"]
    torchao: Any = importlib.import_module("torchao.quantization")
    configs = {"int8": "Int8WeightOnlyConfig", "float8": "Float8WeightOnlyConfig"}
    torchao.quantize_(unet, getattr(torchao, configs[kind])())
    return []


def _probe(pipeline: Pipeline, device: str) -> Callable[[int, int], None]:
    """A forward of so many rows at a size; the memory that it takes depends on nothing else."""
    unet, config = pipeline.unet, pipeline.unet.config

    @torch.inference_mode()
    def probe(rows: int, area: int) -> None:
        # Factors of eight, so that every level of the network halves them evenly.
        height = max(8, int(area**0.5) // 8 * 8)
        width = max(8, -(-area // height) // 8 * 8)
        place = {"device": device, "dtype": unet.dtype}
        added = None
        if config.addition_embed_type == "text_time":
            pooled = config.projection_class_embeddings_input_dim
            pooled -= 6 * config.addition_time_embed_dim
            added = {
                "text_embeds": torch.zeros(rows, pooled, **place),
                "time_ids": torch.zeros(rows, 6, **place),
            }
        unet(
            torch.zeros(rows, config.in_channels, height, width, **place),
            torch.ones(rows, device=device),
            encoder_hidden_states=torch.zeros(rows, 77, config.cross_attention_dim, **place),
            added_cond_kwargs=added,
            return_dict=False,
        )

    return probe
