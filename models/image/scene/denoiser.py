"""The diffusion model over scene parameters: flow matching on a set of objects and their stage."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own abbreviation

from models.image.scene.brief import MAX_DRAWN
from models.image.scene.fields import (
    CONTINUOUS,
    LIGHTS,
    OBJECT_CONDITIONS,
    OBJECT_FIELDS,
    ONE_HOT,
    STAGE_CONDITIONS,
    STAGE_CONTINUOUS,
    STAGE_FIELDS,
    SURFACES,
    Conditions,
    Fields,
)

STEPS = 24
_WEIGHTS = (8.0, 8.0, 8.0, 2.0, 1.5, 1.5, 1.0)
"""Of colour, size, position and yaw: what a viewer notices first weighs most."""


class _Block(nn.Module):
    """Attention among objects and stage, then a feed-forward network, both scaled by time."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.modulate = nn.Linear(width, 4 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, time: Tensor, mask: Tensor) -> Tensor:
        batch, slots, width = x.shape
        scale, shift, scale_mlp, shift_mlp = self.modulate(time)[:, None].chunk(4, -1)
        qkv = self.qkv(self.norms[0](x) * (1 + scale) + shift)
        q, k, v = qkv.view(batch, slots, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, slots, width))
        hidden: Tensor = self.up(self.norms[1](x) * (1 + scale_mlp) + shift_mlp)
        fed: Tensor = self.down(F.gelu(hidden))
        return x + fed


class SceneDenoiser(nn.Module):
    """Estimates a clean scene from a noisy one and a brief.

    Args:
        width: Of the states between blocks.
        layers: Number of blocks.
        heads: Of each attention.

    Source: Lipman et al. 2023, arXiv:2210.02747, with the clean sample as the network's target.
    """

    def __init__(self, width: int = 128, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.objects_in = nn.Linear(OBJECT_FIELDS + OBJECT_CONDITIONS, width)
        self.stage_in = nn.Linear(STAGE_FIELDS + STAGE_CONDITIONS, width)
        self.slots = nn.Parameter(torch.randn(1, MAX_DRAWN + 1, width) * 0.3)
        self.time = nn.Sequential(
            nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.objects_out = nn.Linear(width, OBJECT_FIELDS)
        self.stage_out = nn.Linear(width, STAGE_FIELDS)

    def forward(self, noisy: Fields, noise_share: Tensor, brief: Conditions) -> Fields:
        """Logits for the categorical fields, values for the others.

        Args:
            noisy: `(1 - t) x0 + t e`.
            noise_share: t, `(B,)`, in 0-1.
            brief: Conditions of each row.
        """
        frequency = torch.exp(torch.linspace(0, math.log(200), 16))
        angle = noise_share[:, None] * frequency
        time = self.time(torch.cat([angle.sin(), angle.cos()], -1))
        objects = self.objects_in(torch.cat([noisy.objects, brief.objects], -1))
        stage = self.stage_in(torch.cat([noisy.stage, brief.stage], -1))
        x = torch.cat([objects, stage[:, None]], 1) + self.slots  # (B, 7, width)
        here = torch.cat([brief.present, torch.ones_like(brief.present[:, :1])], 1)
        mask = here[:, None, None]
        for block in self.blocks:
            x = block(x, time, mask)
        x = self.norm(x)
        return Fields(self.objects_out(x[:, :-1]), self.stage_out(x[:, -1]))


def estimate(raw: Fields) -> Fields:
    """The expected clean scene: softmax means for the categorical fields."""
    surfaces = (raw.objects[..., CONTINUOUS:].softmax(-1) - 1 / SURFACES) * ONE_HOT
    lights = (raw.stage[..., STAGE_CONTINUOUS:].softmax(-1) - 1 / LIGHTS) * ONE_HOT
    return Fields(
        torch.cat([raw.objects[..., :CONTINUOUS], surfaces], -1),
        torch.cat([raw.stage[..., :STAGE_CONTINUOUS], lights], -1),
    )


def denoising_loss(net: SceneDenoiser, clean: Fields, brief: Conditions) -> Tensor:
    """Squared error of the values and cross-entropy of the categories at random noise levels."""
    share = torch.sigmoid(torch.randn(len(clean.stage)) * 1.3 + 0.5)
    noise = Fields(torch.randn_like(clean.objects), torch.randn_like(clean.stage))
    a, b = share[:, None, None], share[:, None]
    noisy = Fields(
        (1 - a) * clean.objects + a * noise.objects, (1 - b) * clean.stage + b * noise.stage
    )
    raw = net(noisy, share, brief)
    here = brief.present
    error = (raw.objects[..., :CONTINUOUS] - clean.objects[..., :CONTINUOUS])[here] ** 2
    surface = clean.objects[..., CONTINUOUS:].argmax(-1)[here]
    stage = (raw.stage[..., :STAGE_CONTINUOUS] - clean.stage[..., :STAGE_CONTINUOUS]) ** 2
    light = clean.stage[..., STAGE_CONTINUOUS:].argmax(-1)
    total: Tensor = (
        (error * torch.tensor(_WEIGHTS)).mean()
        + 0.5 * F.cross_entropy(raw.objects[..., CONTINUOUS:][here], surface)
        + stage.mean()
        + 0.2 * F.cross_entropy(raw.stage[..., STAGE_CONTINUOUS:], light)
    )
    return total


@torch.inference_mode()
def sample(net: SceneDenoiser, brief: Conditions, seeds: list[int], steps: int = STEPS) -> Fields:
    """Draw a scene per brief; each row's noise depends on its own seed alone."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    x = Fields(
        torch.stack([torch.randn(MAX_DRAWN, OBJECT_FIELDS, generator=g) for g in generators]),
        torch.stack([torch.randn(STAGE_FIELDS, generator=g) for g in generators]),
    )
    times = torch.linspace(1, 0, steps + 1) ** 1.2
    for now, then in pairwise(times):
        clean = estimate(net(x, now.expand(len(seeds)), brief))
        share = (now - then) / now
        x = Fields(
            x.objects + share * (clean.objects - x.objects),
            x.stage + share * (clean.stage - x.stage),
        )
    return x
