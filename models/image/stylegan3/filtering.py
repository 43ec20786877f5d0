"""Resampling with FIR filters, and the nonlinearity that is applied between two of them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Padding:
    """Samples added before and after each row and column; negative ones are cropped."""

    before: int
    after: int


def upsample(x: Tensor, taps: Tensor | None, factor: int, padding: Padding) -> Tensor:
    """Insert `factor - 1` zeros after every sample, pad, and convolve.

    Args:
        x: `(B, C, H, W)`.
        taps: `(K,)` separable or `(K, K)`; `None` is the identity.
        factor: Of both sides.
        padding: In samples of the upsampled signal.

    Returns:
        `(B, C, H', W')` with `H' = H * factor + before + after - K + 1`, times `factor ** 2`, so
        that the mean of a signal stays what it was.
    """
    if taps is None:
        taps = torch.ones(1, dtype=x.dtype, device=x.device)
    # A transposed convolution skips the zeros. It computes every position that the filter
    # reaches; those that the padding does not cover are cropped.
    taps = (taps * factor if taps.ndim == 1 else taps * factor**2).to(x.dtype)
    reach = taps.shape[0] - 1
    batch, channels = x.shape[:2]
    planes = x.flatten(0, 1).unsqueeze(1)  # (B*C, 1, H, W)
    for kernel, stride in _passes(taps, factor):
        planes = functional.conv_transpose2d(planes, kernel, stride=stride)
    # Zeros that follow the last sample belong to the signal but not to that result.
    before, after = padding.before - reach, padding.after - reach + factor - 1
    planes = functional.pad(planes, (before, after, before, after))
    return planes.reshape(batch, channels, *planes.shape[-2:])


def downsample(x: Tensor, taps: Tensor | None, factor: int) -> Tensor:
    """Convolve where the filter lies within the signal, and keep every `factor`-th sample.

    Args:
        x: `(B, C, H, W)`.
        taps: `(K,)` separable or `(K, K)`; `None` is the identity.
        factor: Of both sides.
    """
    if taps is None:
        return x[..., ::factor, ::factor]
    batch, channels = x.shape[:2]
    planes = x.flatten(0, 1).unsqueeze(1)  # (B*C, 1, H, W)
    flipped = taps.to(x.dtype).flip(tuple(range(taps.ndim)))
    for kernel, stride in _passes(flipped, factor):
        planes = functional.conv2d(planes, kernel, stride=stride)
    return planes.reshape(batch, channels, *planes.shape[-2:])


def filtered_lrelu(
    x: Tensor,
    bias: Tensor,
    up_taps: Tensor | None,
    down_taps: Tensor | None,
    *,
    up: int,
    down: int,
    padding: Padding,
    slope: float,
    gain: float,
    clamp: float,
) -> Tensor:
    """Leaky ReLU at a higher sampling rate, so that the edges it makes do not alias.

    Source: Karras et al. 2021, arXiv:2106.12423, section 2.1 and appendix D.
    """
    raised = upsample(x + bias[:, None, None], up_taps, up, padding)
    bent = functional.leaky_relu(raised, slope).mul_(gain).clamp_(-clamp, clamp)
    return downsample(bent, down_taps, down)


def _passes(taps: Tensor, factor: int) -> tuple[tuple[Tensor, tuple[int, int]], ...]:
    """Kernels `(1, 1, KH, KW)` and their strides: one, or one for each direction."""
    if taps.ndim == 2:
        return ((taps[None, None], (factor, factor)),)
    return ((taps[None, None, None], (1, factor)), (taps[None, None, :, None], (factor, 1)))
