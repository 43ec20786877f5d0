"""Checkpoints with random weights in the layouts of diffusers, made in a second without a download."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

TEXT_WIDTH = 32
_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def tokenizer(folder: Path) -> CLIPTokenizer:
    """One token for each byte, so that no vocabulary is needed."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    words = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    made = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    made.model_max_length = 77
    return made


def _text_config(words: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
        hidden_size=TEXT_WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=5,
        vocab_size=words,
        projection_dim=TEXT_WIDTH,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=[32] * 4,
        latent_channels=4,
        sample_size=128,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
    )


def sdxl(folder: Path, widths: tuple[int, int] = (32, 64), seed: int = 0) -> Path:
    """A checkpoint laid out as SDXL; pictures are eight times as wide as their latents.

    Args:
        folder: Where it is written.
        widths: Channels of the UNet's two levels.
        seed: Of the weights.
    """
    torch.manual_seed(seed)
    words = tokenizer(folder / "tokens")
    config = _text_config(len(words))
    unet = UNet2DConditionModel(
        block_out_channels=widths,
        layers_per_block=1,
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + TEXT_WIDTH,
        cross_attention_dim=2 * TEXT_WIDTH,
    )
    scheduler = EulerDiscreteScheduler(**_NOISE, steps_offset=1, timestep_spacing="leading")
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(config),
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet,
        scheduler=scheduler,
    )
    return _saved(pipeline, folder)


def sd(folder: Path, in_channels: int = 4, seed: int = 0, *, distilled: bool = False) -> Path:
    """A checkpoint laid out as Stable Diffusion 1.

    Args:
        folder: Where it is written.
        in_channels: 9 make it one for inpainting.
        seed: Of the weights.
        distilled: A latent consistency model, whose network is told the guidance.
    """
    torch.manual_seed(seed)
    words = tokenizer(folder / "tokens")
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=16,
        in_channels=in_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        cross_attention_dim=TEXT_WIDTH,
        time_cond_proj_dim=32 if distilled else None,
    )
    scheduler = LCMScheduler if distilled else EulerDiscreteScheduler
    kind = LatentConsistencyModelPipeline if distilled else StableDiffusionPipeline
    pipeline = kind(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(len(words))),
        tokenizer=words,
        unet=unet,
        scheduler=scheduler(**_NOISE, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _saved(pipeline, folder)


def _saved(pipeline: DiffusionPipeline, folder: Path) -> Path:
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def lora(checkpoint: Path, rank: int = 4, seed: int = 0, scale: float = 0.3) -> dict[str, Any]:
    """The tensors of an adapter for every attention projection of a checkpoint's UNet."""
    unet = UNet2DConditionModel.from_pretrained(checkpoint, subfolder="unet")
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in unet.named_modules():
        if isinstance(module, torch.nn.Linear) and name.rsplit(".to_", 1)[-1] in (
            "q", "k", "v", "out.0",
        ):  # fmt: skip
            down = torch.randn(rank, module.in_features, generator=generator)
            up = torch.randn(module.out_features, rank, generator=generator)
            tensors[f"unet.{name}.lora_A.weight"] = down / module.in_features**0.5
            tensors[f"unet.{name}.lora_B.weight"] = up * scale
    return tensors


def text_lora(checkpoint: Path, rank: int = 4, seed: int = 0) -> dict[str, Any]:
    """The tensors of an adapter for the attention of both text encoders of a checkpoint."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(checkpoint)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for part in ("text_encoder", "text_encoder_2"):
        for name, module in getattr(pipeline, part).named_modules():
            if name.endswith(("q_proj", "v_proj", "out_proj")):
                down = torch.randn(rank, module.in_features, generator=generator)
                up = torch.randn(module.out_features, rank, generator=generator)
                tensors[f"{part}.{name}.lora_A.weight"] = down / module.in_features**0.5
                tensors[f"{part}.{name}.lora_B.weight"] = up
    return tensors
