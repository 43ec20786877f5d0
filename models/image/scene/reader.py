"""The reader: which units introduce objects, and which words speak of which."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own abbreviation

from models.core.minilm import WIDTH
from models.image.scene import phrases
from models.image.scene.units import KINDS, TAGS, UNKNOWN, Reading

ROLES = ("none", "object", "ground")
ATTRIBUTES = ("color", "material", "size")
PAIRS = (
    "none", "left", "right", "front", "behind", "on", "under", "near", "between", "flanks",
    "row", "stack", "circle",
)  # fmt: skip
INVERSE = (0, 2, 1, 4, 3, 6, 5, 7, 9, 8, 10, 11, 12)
ELEVATIONS = ("none", "above", "low")
FRAMINGS = ("none", "close", "wide")
LIGHTS = ("none", *phrases.LIGHT_NAMES)
FURTHEST = 16


class Words(NamedTuple):
    """A batch of readings: `(B, U, 384)` twice, `(B, U, TAGS)` and the mask `(B, U)`."""

    static: Tensor
    states: Tensor
    tags: Tensor
    present: Tensor


class Read(NamedTuple):
    """The reader's logits.

    Attributes:
        role: `(B, U, 3)`.
        copies: One to six, `(B, U, 6)`.
        attribute: Per kind, whom each unit takes it from; 0 is nobody, `(B, 3, U, 1 + U)`.
        pair: How unit i stands to unit j, `(B, U, U, 13)`.
        light: `(B, 6)`.
        elevation: `(B, 3)`.
        framing: `(B, 3)`.
    """

    role: Tensor
    copies: Tensor
    attribute: Tensor
    pair: Tensor
    light: Tensor
    elevation: Tensor
    framing: Tensor


def gather(readings: list[Reading]) -> Words:
    """Pad readings to one batch."""
    longest = max(len(reading.units) for reading in readings)
    static = torch.zeros(len(readings), longest, WIDTH)
    states = torch.zeros(len(readings), longest, WIDTH)
    tags = torch.zeros(len(readings), longest, TAGS)
    present = torch.zeros(len(readings), longest, dtype=torch.bool)
    for row, reading in enumerate(readings):
        units = len(reading.tags)
        static[row, :units], states[row, :units] = reading.static, reading.states
        tags[row, :units], present[row, :units] = reading.tags, True
    return Words(static, states, tags, present)


class _Layer(nn.Module):
    """Self-attention with a learned bias per distance, then a feed-forward network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(heads, 2 * FURTHEST + 1))
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        batch, units, width = x.shape
        qkv = self.qkv(self.before(x)).view(batch, units, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, U, width / heads) each
        place = torch.arange(units)
        apart = (place[None] - place[:, None]).clamp(-FURTHEST, FURTHEST) + FURTHEST  # (U, U)
        bias = self.distance[:, apart][None].masked_fill(~present[:, None, None], -1e4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        mixed = mixed.transpose(1, 2).reshape(batch, units, width)  # (B, U, width)
        x = x + self.drop(self.out(mixed))
        hidden: Tensor = self.drop(self.down(F.gelu(self.up(self.between(x)))))
        return x + hidden


class Reader(nn.Module):
    """A small transformer over units with heads for roles, counts, attributes and relations.

    Args:
        width: Of the states between layers.
        layers: Number of them.
        heads: Of each attention.
        inner: Width in which units are compared.
    """

    def __init__(self, width: int = 160, layers: int = 3, heads: int = 4, inner: int = 48) -> None:
        super().__init__()
        self.inner = inner
        self.static, self.states = nn.Linear(WIDTH, width), nn.Linear(WIDTH, width)
        self.tags = nn.Linear(TAGS, width)
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.role, self.count = nn.Linear(width, len(ROLES)), nn.Linear(width, phrases.MAX_COUNT)
        self.asks = nn.Linear(width, len(ATTRIBUTES) * inner)
        self.offers = nn.Linear(width, len(ATTRIBUTES) * inner)
        self.nobody = nn.Linear(width, len(ATTRIBUTES))
        self.figure, self.ground = nn.Linear(width, inner), nn.Linear(width, inner)
        self.pair = nn.Parameter(torch.randn(len(PAIRS), inner, inner) * 0.05)
        self.pair_each = nn.Linear(2 * inner, len(PAIRS))
        self.attend = nn.Linear(width, 1)
        self.whole = nn.Linear(width, len(LIGHTS) + len(ELEVATIONS) + len(FRAMINGS))

    def forward(self, words: Words) -> Read:
        """Read a batch."""
        x = self.static(words.static) + self.states(words.states) + self.tags(words.tags)
        for layer in self.layers:
            x = layer(x, words.present)
        x = self.norm(x)
        light, elevation, framing = self._whole(x, words.present)
        return Read(
            self.role(x), self.count(x), self._attributes(x, words), self._pairs(x),
            light, elevation, framing,
        )  # fmt: skip

    def _attributes(self, x: Tensor, words: Words) -> Tensor:
        batch, units, _ = x.shape
        asks = self.asks(x).view(batch, units, len(ATTRIBUTES), self.inner).transpose(1, 2)
        offers = self.offers(x).view(batch, units, len(ATTRIBUTES), self.inner).transpose(1, 2)
        scores = asks @ offers.transpose(-1, -2) / self.inner**0.5  # (B, 3, U, U)
        columns = [KINDS.index(kind) for kind in ("color", "material", "size")]
        fits = words.tags[..., columns].transpose(1, 2) > 0.25  # (B, 3, U)
        scores = scores.masked_fill(~fits[:, :, None], -1e4)
        return torch.cat([self.nobody(x).transpose(1, 2)[..., None], scores], -1)

    def _pairs(self, x: Tensor) -> Tensor:
        figure, ground = self.figure(x), self.ground(x)  # (B, U, inner) each
        left = torch.einsum("bif,rfg->birg", figure, self.pair)
        scores = torch.einsum("birg,bjg->bijr", left, ground)
        own, other = self.pair_each.weight.chunk(2, 1)
        scores = scores + (figure @ own.T)[:, :, None] + (ground @ other.T)[:, None]
        biased: Tensor = scores + self.pair_each.bias  # (B, U, U, 13)
        return biased

    def _whole(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight = self.attend(x).squeeze(-1).masked_fill(~present, -1e4).softmax(-1)  # (B, U)
        pooled = self.whole((weight[..., None] * x).sum(1))
        light, elevation, framing = pooled.split([len(LIGHTS), len(ELEVATIONS), len(FRAMINGS)], -1)
        return light, elevation, framing


def role_mask(tags: Tensor) -> Tensor:
    """Which roles a unit may play, `(..., 3)`: objects are known objects or unknown words."""
    unknown = tags[..., UNKNOWN] > 0
    known = tags[..., KINDS.index("object")] > 0.99
    ground = tags[..., KINDS.index("ground")] > 0
    return torch.stack([torch.ones_like(known), known | unknown, ground], -1)
