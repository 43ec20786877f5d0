"""Video checkpoints with random weights in the layouts of diffusers, made without a download."""

from pathlib import Path
from typing import Any

import diffusers
import torch
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from benchmarks.tiny_checkpoint import tokenizer

WIDTH = 32


def save(pipeline: Any, folder: Path) -> Path:
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _t5(kind: type[Any], config: type[Any], words: int) -> Any:
    return kind(
        config(
            vocab_size=words, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4,
            relative_attention_num_buckets=8, decoder_start_token_id=0,
        )
    ).eval()  # fmt: skip


def _clip(words: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=words - 1,
            hidden_size=WIDTH, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2,
            vocab_size=words,
        )
    )  # fmt: skip


def wan(folder: Path, kind: str = "WanPipeline", *, both: bool = False) -> Path:
    """Text to video; `both` as Wan 2.2 5B, one checkpoint for words and pictures."""
    torch.manual_seed(0)
    words = tokenizer(folder.with_name("tokens"))
    image = kind == "WanImageToVideoPipeline"
    parts = {
        "tokenizer": words,
        "text_encoder": _t5(UMT5EncoderModel, UMT5Config, len(words)),
        "vae": diffusers.AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        "scheduler": diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        "transformer": diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12,
            in_channels=36 if image else 16, out_channels=16, text_dim=WIDTH, freq_dim=32,
            ffn_dim=32, num_layers=1, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
    }  # fmt: skip
    if image:
        parts |= {"image_processor": None, "image_encoder": None}
    return save(getattr(diffusers, kind)(**parts, expand_timesteps=both), folder)


def ltx(folder: Path) -> Path:
    torch.manual_seed(0)
    words = tokenizer(folder.with_name("tokens"))
    parts = {
        "tokenizer": words,
        "text_encoder": _t5(T5EncoderModel, T5Config, len(words)),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": diffusers.AutoencoderKLLTXVideo(
            latent_channels=8, block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1), patch_size=4,
            spatio_temporal_scaling=(True, True, True, False),
            decoder_spatio_temporal_scaling=(True, True, True, False),
            decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4, timestep_conditioning=True,
        ),
        "transformer": diffusers.LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=8,
            cross_attention_dim=32, num_layers=1, caption_channels=WIDTH,
        ),
    }  # fmt: skip
    return save(diffusers.LTXPipeline(**parts), folder)


def cogvideox(folder: Path, kind: str = "CogVideoXPipeline") -> Path:
    torch.manual_seed(0)
    words = tokenizer(folder.with_name("tokens"))
    image = kind == "CogVideoXImageToVideoPipeline"
    parts = {
        "tokenizer": words,
        "text_encoder": _t5(T5EncoderModel, T5Config, len(words)),
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
        "vae": diffusers.AutoencoderKLCogVideoX(
            in_channels=3, out_channels=3,
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4, block_out_channels=(8, 8, 8, 8),
            latent_channels=4, layers_per_block=1, norm_num_groups=2, temporal_compression_ratio=4,
        ),
        "transformer": diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4, attention_head_dim=16, in_channels=8 if image else 4,
            out_channels=4, time_embed_dim=2, text_embed_dim=WIDTH, num_layers=1,
            sample_width=8, sample_height=8, sample_frames=9, patch_size=2,
            temporal_compression_ratio=4, max_text_seq_length=226,
            use_rotary_positional_embeddings=True,
        ),
    }  # fmt: skip
    return save(getattr(diffusers, kind)(**parts), folder)


def _kl() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=[32] * 4, latent_channels=4, sample_size=128,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip


def animatediff(folder: Path) -> Path:
    torch.manual_seed(0)
    words = tokenizer(folder.with_name("tokens"))
    parts = {
        "tokenizer": words,
        "text_encoder": _clip(len(words)),
        "scheduler": diffusers.DDIMScheduler(beta_schedule="linear", clip_sample=False),
        "vae": _kl(),
        "unet": diffusers.UNet2DConditionModel(
            block_out_channels=(32, 64), layers_per_block=1, sample_size=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), attention_head_dim=8,
            cross_attention_dim=WIDTH, norm_num_groups=2,
        ),
        "motion_adapter": diffusers.MotionAdapter(
            block_out_channels=(32, 64), motion_layers_per_block=1, motion_norm_num_groups=2,
            motion_num_attention_heads=4, motion_max_seq_length=8,
        ),
    }  # fmt: skip
    return save(diffusers.AnimateDiffPipeline(**parts), folder)


def svd(folder: Path) -> Path:
    torch.manual_seed(0)
    eye = CLIPVisionConfig(
        hidden_size=WIDTH, projection_dim=WIDTH, num_hidden_layers=1, num_attention_heads=4,
        image_size=224, intermediate_size=37, patch_size=56,
    )  # fmt: skip
    parts = {
        "image_encoder": CLIPVisionModelWithProjection(eye),
        "feature_extractor": CLIPImageProcessor(),
        "scheduler": diffusers.EulerDiscreteScheduler(
            interpolation_type="linear", num_train_timesteps=1000,
            prediction_type="v_prediction", sigma_max=700.0, sigma_min=0.002,
            steps_offset=1, timestep_spacing="leading", timestep_type="continuous",
            use_karras_sigmas=True,
        ),
        "vae": diffusers.AutoencoderKLTemporalDecoder(
            block_out_channels=[32] * 4, latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 4,
        ),
        "unet": diffusers.UNetSpatioTemporalConditionModel(
            block_out_channels=(32, 64), layers_per_block=1, sample_size=8, in_channels=8,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            num_attention_heads=8, projection_class_embeddings_input_dim=96,
            addition_time_embed_dim=32, cross_attention_dim=WIDTH, num_frames=14,
        ),
    }  # fmt: skip
    return save(diffusers.StableVideoDiffusionPipeline(**parts), folder)
