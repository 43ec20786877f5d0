"""A network of SDXL's size on a GPU: `python -m benchmarks.unet_gpu`.

The step engine beside the stock pipeline with random weights in half precision: images per second
and peak memory for 1, 4 and 8 requests at 512 and 1024 pixels a side; xformers beside torch's own
attention; bytes with `reproducible`; two processes that share the GPU, each within its part and
with more rows asked for than fit. Text is random and latents are not decoded: the network is what
is measured. Needs torch with CUDA, diffusers and transformers, nothing else.
"""

import argparse
import importlib
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0

from models.core.device import cap_memory
from models.image.diffusion.attention import take_xformers
from models.image.diffusion.company import keep_apart
from models.image.diffusion.engine import StepEngine
from models.image.diffusion.forward import Forward
from models.image.diffusion.gauges import CudaGauge
from models.image.diffusion.memory import RowBudget
from models.image.diffusion.running import Conditioning, Event, Failed, Finished, Running

SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""The published configuration of stable-diffusion-xl-base-1.0's network: 2.57 billion weights."""
TINY = {
    **SDXL,
    "block_out_channels": (32, 32, 64),
    "attention_head_dim": (1, 1, 2),
    "transformer_layers_per_block": 1,
}
"""To try the program where there is no GPU."""
POOLED, TOKENS = 1280, 77
GIB = 2**30
SHARE = 0.15
"""Of the GPU for each of two processes: enough for the weights and a few rows."""
MANY = 24
"""Requests that each of them is given at once."""
PARTS = ("neighbours", "cells", "bytes", "attention")
REPRODUCIBLE_ROWS = 4
"""As served where there is no GPU."""


def network(device: str, dtype: torch.dtype) -> UNet2DConditionModel:
    """The network with random weights, made where it runs."""
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made = UNet2DConditionModel(**(SDXL if device == "cuda" else TINY))
    finally:
        torch.set_default_dtype(torch.float32)
    return made.eval().requires_grad_(False)


class Bench:
    """One network, driven by the step engine and by the stock pipeline."""

    def __init__(self, device: str, steps: int, most: int, *, measured: bool = True) -> None:
        self.device, self.steps = device, steps
        self.dtype = torch.float16 if device == "cuda" else torch.float32
        self.unet = network(device, self.dtype)
        self.scheduler = EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        )
        self.budget = RowBudget(CudaGauge(), self._probe, most)
        if measured and device == "cuda":
            self.budget.measure(128 * 128)
        self.engine = StepEngine(Forward(self.unet), self.budget, device=device)
        self.pipeline = StableDiffusionXLPipeline(
            vae=None,
            text_encoder=None,
            text_encoder_2=None,
            tokenizer=None,
            tokenizer_2=None,
            unet=self.unet,
            scheduler=self.scheduler,
            add_watermarker=False,
        )
        self.pipeline.set_progress_bar_config(disable=True)

    def engine_pictures(
        self, side: int, count: int, *, reproducible: bool = False
    ) -> list[torch.Tensor]:
        """Latents of so many requests that come at once."""
        with torch.inference_mode():
            crowd = [self._request(side, seed, reproducible=reproducible) for seed in range(count)]
        heard: list[tuple[int, Event]] = []
        for number, request in enumerate(crowd):
            request.tell = lambda event, n=number: heard.append((n, event))  # type: ignore[misc]
            self.engine.admit(request)
        found: dict[int, torch.Tensor] = {}
        while len(found) < count:
            while heard:
                number, event = heard.pop(0)
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Finished):
                    found[number] = event.latents
            time.sleep(0.001)
        self._wait()
        return [found[number] for number in range(count)]

    def stock_pictures(self, side: int, count: int) -> torch.Tensor:
        """Latents of one call of the stock pipeline."""
        text, pooled = self._text(0)
        pictures: torch.Tensor = self.pipeline(
            prompt_embeds=text[1:].repeat(count, 1, 1),
            negative_prompt_embeds=text[:1].repeat(count, 1, 1),
            pooled_prompt_embeds=pooled[1:].repeat(count, 1),
            negative_pooled_prompt_embeds=pooled[:1].repeat(count, 1),
            num_inference_steps=self.steps,
            guidance_scale=5.0,
            height=side,
            width=side,
            generator=[torch.Generator().manual_seed(seed) for seed in range(count)],
            output_type="latent",
        ).images
        self._wait()
        return pictures

    def _request(self, side: int, seed: int, *, reproducible: bool) -> Running:
        scheduler = EulerDiscreteScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(self.steps)
        scheduler.set_begin_index(0)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, 4, side // 8, side // 8, generator=generator, dtype=self.dtype)
        text, pooled = self._text(seed)
        sizes = torch.tensor([[side, side, 0, 0, side, side]] * 2, dtype=self.dtype)
        request = Running(
            conditioning=Conditioning(
                text, {"text_embeds": pooled, "time_ids": sizes.to(self.device)}
            ),
            scheduler=scheduler,
            timesteps=scheduler.timesteps,
            latents=noise.to(self.device) * scheduler.init_noise_sigma,
            guidance=5.0,
        )
        if reproducible:
            keep_apart(request, self.device, REPRODUCIBLE_ROWS)
        return request

    def _text(self, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        width = self.unet.config.cross_attention_dim
        text = torch.randn(2, TOKENS, width, generator=generator)
        pooled = torch.randn(2, POOLED, generator=generator)
        return text.to(self.device, self.dtype), pooled.to(self.device, self.dtype)

    @torch.inference_mode()
    def _probe(self, rows: int, area: int) -> None:
        side = int(area**0.5)
        place = {"device": self.device, "dtype": self.dtype}
        self.unet(
            torch.zeros(rows, 4, side, side, **place),
            torch.ones(rows, device=self.device),
            torch.zeros(rows, TOKENS, self.unet.config.cross_attention_dim, **place),
            added_cond_kwargs={
                "text_embeds": torch.zeros(rows, POOLED, **place),
                "time_ids": torch.zeros(rows, 6, **place),
            },
        )

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def timed(bench: Bench, count: int, work: Callable[[], object]) -> tuple[float, float]:
    """Images per second, and the most memory held, in GiB; the second run counts."""
    work()
    if bench.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    work()
    speed = count / (time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() / GIB if bench.device == "cuda" else 0.0
    return round(speed, 3), round(peak, 2)


def cells(bench: Bench, sides: Sequence[int], counts: Sequence[int]) -> dict[str, float]:
    """Engine, one call of the stock pipeline for all, and one call for each."""
    figures: dict[str, float] = {}
    for side in sides:
        for count in counts:
            arms: dict[str, Callable[[], object]] = {
                "engine": lambda s=side, n=count: bench.engine_pictures(s, n),  # type: ignore[misc]
                "stock_batch": lambda s=side, n=count: bench.stock_pictures(s, n),  # type: ignore[misc]
                "stock_single": lambda s=side, n=count: [  # type: ignore[misc]
                    bench.stock_pictures(s, 1) for _ in range(n)
                ],
            }
            for name, work in arms.items():
                speed, peak = timed(bench, count, work)
                figures[f"images_per_s_{name}_{side}_x{count}"] = speed
                figures[f"peak_gib_{name}_{side}_x{count}"] = peak
                print(f"{name} {side} x{count}: {speed}/s {peak} GiB", file=sys.stderr, flush=True)
    return figures


def same_bytes(bench: Bench, side: int) -> dict[str, int]:
    """Pictures that neighbours change, with `reproducible` as it is served and without."""
    found = {}
    for name, kept in (("reproducible", True), ("free", False)):
        together = bench.engine_pictures(side, 4, reproducible=kept)
        with torch.inference_mode():
            alone = [alone_one(bench, side, seed, reproducible=kept) for seed in range(4)]
        pairs = zip(together, alone, strict=True)
        found[f"pictures_changed_{name}"] = sum(not torch.equal(a, b) for a, b in pairs)
    first, again = (bench.engine_pictures(side, 4, reproducible=True) for _ in range(2))
    pairs = zip(first, again, strict=True)
    found["pictures_changed_again"] = sum(not torch.equal(a, b) for a, b in pairs)
    stock = bench.stock_pictures(side, 1)
    found["solo_differs_from_stock"] = int(
        not torch.equal(stock, bench.engine_pictures(side, 1)[0])
    )
    return found


def alone_one(bench: Bench, side: int, seed: int, *, reproducible: bool) -> torch.Tensor:
    """One request with the engine to itself."""
    # The same request as among others.
    request = bench._request(side, seed, reproducible=reproducible)  # noqa: SLF001
    heard: list[Any] = []
    request.tell = heard.append
    bench.engine.admit(request)
    while not (heard and isinstance(heard[-1], Finished | Failed)):
        time.sleep(0.001)
    latents: torch.Tensor = heard[-1].latents
    return latents


def attention(bench: Bench, sides: Sequence[int], counts: Sequence[int]) -> dict[str, object]:
    """Torch's own attention, and xformers where it works; how far their pictures are apart."""
    figures: dict[str, object] = {}
    pictures = {}
    for kind in ("sdpa", "xformers"):
        if kind == "xformers":
            reason = take_xformers(bench.unet, bench.device)
            figures["xformers"] = _version("xformers") if reason is None else reason
            if reason is not None:
                print(f"xformers not measured: {reason}", file=sys.stderr, flush=True)
                return figures
        for side in sides:
            for count in counts:
                speed, _peak = timed(
                    bench,
                    count,
                    lambda s=side, n=count: bench.engine_pictures(s, n),  # type: ignore[misc]
                )
                figures[f"images_per_s_{kind}_{side}_x{count}"] = speed
                print(f"{kind} {side} x{count}: {speed}/s", file=sys.stderr, flush=True)
        pictures[kind] = bench.engine_pictures(min(sides), 1)[0].float()
    bench.unet.set_attn_processor(AttnProcessor2_0())  # the "default" one is without SDPA
    apart = (pictures["sdpa"] - pictures["xformers"]).abs().max() / pictures["sdpa"].abs().max()
    figures["xformers_latents_apart"] = round(float(apart), 5)
    return figures


def _version(package: str) -> str:
    return str(getattr(importlib.import_module(package), "__version__", "unknown"))


def neighbour(device: str, steps: int, side: int, answers: "multiprocessing.Queue[str]") -> None:
    """One of two processes on a GPU: asks for more rows than its share holds."""
    if device == "cuda":
        cap_memory(SHARE)
    bench = Bench(device, steps, most=2 * MANY, measured=False)
    pictures = bench.engine_pictures(side, MANY)
    peak = torch.cuda.max_memory_reserved() / GIB if device == "cuda" else 0.0
    finite = sum(bool(torch.isfinite(p).all()) for p in pictures)
    rows = bench.budget.bound((side // 8) ** 2)
    answers.put(
        json.dumps({"finished": len(pictures), "finite": finite, "rows": rows, "peak": peak})
    )


def co_located(device: str, steps: int, side: int) -> dict[str, object]:
    """Two processes at a time, each within its share."""
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[str] = context.Queue()
    both = [
        context.Process(target=neighbour, args=(device, steps, side, answers)) for _ in range(2)
    ]
    for process in both:
        process.start()
    found = [json.loads(answers.get(timeout=500)) for _ in both]
    for process in both:
        process.join()
    total = torch.cuda.mem_get_info()[1] / GIB if device == "cuda" else 0.0
    return {
        "co_located_finished": [one["finished"] for one in found],
        "co_located_rows_after_halving": [one["rows"] for one in found],
        "co_located_peak_gib": [round(one["peak"], 2) for one in found],
        "co_located_cap_gib": round(total * SHARE, 2),
    }


def main() -> None:
    """Measure what was asked for and print the figures as one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    figures: dict[str, object] = {}
    if "neighbours" in options.parts:
        figures |= co_located(options.device, 4, max(options.sides))
    bench = Bench(options.device, options.steps, most=64)
    if "cells" in options.parts:
        figures |= cells(bench, options.sides, options.counts)
    if "bytes" in options.parts:
        figures |= same_bytes(bench, min(options.sides))
    if "attention" in options.parts:
        figures |= attention(bench, options.sides, options.counts)
    figures["weights"] = sum(p.numel() for p in bench.unet.parameters())
    figures["steps"] = options.steps
    figures["torch"] = torch.__version__
    if options.device == "cuda":
        figures["gpu"] = torch.cuda.get_device_name()
    bench.engine.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
