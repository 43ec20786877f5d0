"""The network that learns what Lanczos' filter lacks, as it is taught."""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own abbreviation

from models.media.enlarging.arrays import REACH, lanczos_taps

CHANNELS: Final = 16
DEPTH: Final = 3


class Doubler(nn.Module):
    """Luma of twice the size: Lanczos' filter and a small correction.

    Nothing is padded, so that a picture may be cut into strips that overlap by the margin.

    Args:
        channels: Of hidden layers.
        depth: Hidden layers after the first.

    Attributes:
        margin: Samples that the result lacks on each side.

    Source: Shi et al. 2016, arXiv:1609.05158, for layers at the small size and their interleaving.
    """

    def __init__(self, channels: int = CHANNELS, depth: int = DEPTH) -> None:
        super().__init__()
        widths = [1] + [channels] * (depth + 1)
        self.hidden = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3) for inputs, outputs in pairwise(widths)
        )
        self.last = nn.Conv2d(channels, 4, 3)
        for values in self.last.parameters():
            nn.init.zeros_(values)
        self.margin = max(REACH, depth + 2)
        self._lanczos = _lanczos()

    def forward(self, luma: Tensor) -> Tensor:
        """Enlarge planes `(B, 1, h, w)` to `(B, 1, 2 (h - 2 M), 2 (w - 2 M))`."""
        hidden = _cropped(luma, self.margin - len(self.hidden) - 1)
        for layer in self.hidden:
            hidden = F.relu(layer(hidden))
        lacks = F.pixel_shuffle(self.last(hidden), 2)
        base = F.conv2d(_cropped(luma, self.margin - REACH), self._lanczos)
        return F.pixel_shuffle(base, 2) + lacks


def _cropped(planes: Tensor, by: int) -> Tensor:
    return planes[..., by : planes.shape[-2] - by, by : planes.shape[-1] - by]


def _lanczos() -> Tensor:
    """`(4, 1, 7, 7)`: the filter at the four places of a sample."""
    lines = torch.zeros(2, 2 * REACH + 1)
    for phase, taps in enumerate(lanczos_taps()):
        lines[phase, phase : phase + 2 * REACH] = torch.from_numpy(taps)
    return torch.einsum("ay,bx->abyx", lines, lines).reshape(4, 1, 7, 7)
