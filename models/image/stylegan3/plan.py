"""Sampling rates, cutoffs and sizes of the layers."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from models.core.value import Value

LAYERS = 14
CRITICAL_LAYERS = 2
FIRST_CUTOFF = 2.0
FIRST_STOPBAND = 2**2.1
STOPBAND_OVER_CUTOFF = 2**0.3
MARGIN_PX = 10
TAPS_PER_FACTOR = 6
LRELU_UPSAMPLING = 2


class GeneratorConfig(Value):
    """What the arrays of a generator do not say themselves.

    Attributes:
        z_dim: Length of a latent.
        c_dim: Number of classes; 0 where there are none.
        w_dim: Length of a style.
        img_resolution: Side of the picture.
        img_channels: 3 for colour.
        mapping_layers: Of the mapping network.
        output_scale: Factor on what the last layer gives.
        conv_clamp: Largest absolute value of an activation.
    """

    z_dim: int = Field(512, ge=1, le=4096)
    c_dim: int = Field(0, ge=0, le=4096)
    w_dim: int = Field(512, ge=1, le=4096)
    img_resolution: int = Field(ge=16, le=2048)
    img_channels: int = Field(3, ge=1, le=4)
    mapping_layers: int = Field(2, ge=1, le=16)
    output_scale: float = 0.25
    conv_clamp: float = Field(256.0, gt=0)


@dataclass(frozen=True)
class LayerPlan:
    """The signal that a layer takes and gives.

    Attributes:
        in_size: Side of the input with its margins, in samples.
        out_size: Side of the output.
        in_rate: Samples across the picture, without margins.
        out_rate: See `in_rate`.
        in_cutoff: Highest frequency that passes, in cycles across the picture.
        out_cutoff: See `in_cutoff`.
        in_half_width: Half of the transition band of the filter.
        out_half_width: See `in_half_width`.
        to_rgb: The last one: 1x1, without nonlinearity.
        critical: Sampled critically: sharp, and with separable filters only.
    """

    in_size: int
    out_size: int
    in_rate: int
    out_rate: int
    in_cutoff: float
    out_cutoff: float
    in_half_width: float
    out_half_width: float
    to_rgb: bool
    critical: bool

    @property
    def inner_rate(self) -> int:
        """Rate at which the nonlinearity acts."""
        return max(self.in_rate, self.out_rate) * (1 if self.to_rgb else LRELU_UPSAMPLING)

    @property
    def up(self) -> int:
        """Factor from the input to the nonlinearity."""
        return self.inner_rate // self.in_rate

    @property
    def down(self) -> int:
        """Factor from the nonlinearity to the output."""
        return self.inner_rate // self.out_rate

    @property
    def up_taps(self) -> int:
        """Length of the filter before the nonlinearity."""
        return TAPS_PER_FACTOR * self.up if self.up > 1 and not self.to_rgb else 1

    @property
    def down_taps(self) -> int:
        """Length of the filter after the nonlinearity."""
        return TAPS_PER_FACTOR * self.down if self.down > 1 and not self.to_rgb else 1

    def padding(self, kernel: int) -> tuple[int, int]:
        """Samples to add before and after the upsampled signal so that `out_size` come out.

        Args:
            kernel: Side of the convolution, whose output is larger by `kernel - 1`.
        """
        needed = (self.out_size - 1) * self.down + 1
        total = needed - (self.in_size + kernel - 1) * self.up + self.up_taps + self.down_taps - 2
        # Half a sample of the input: the factor shifts centres, and this shifts them back.
        before = (total + self.up) // 2
        return before, total - before


@dataclass(frozen=True)
class Plan:
    """All layers, and the Fourier features that they begin with.

    Attributes:
        layers: `LAYERS` of them and the one that makes colours.
        input_size: Side of the Fourier features.
        input_rate: Their sampling rate.
        input_cutoff: Their highest frequency.
    """

    layers: tuple[LayerPlan, ...]
    input_size: int
    input_rate: int
    input_cutoff: float


def plan(resolution: int) -> Plan:
    """The layers of a generator: cutoffs and stopbands grow geometrically, then stay.

    Source: Karras et al. 2021, arXiv:2106.12423, section 3.2 and appendix C.
    """
    last_cutoff = resolution / 2
    last_stopband = last_cutoff * STOPBAND_OVER_CUTOFF
    growth = np.minimum(np.arange(LAYERS + 1) / (LAYERS - CRITICAL_LAYERS), 1.0)
    cutoffs = FIRST_CUTOFF * (last_cutoff / FIRST_CUTOFF) ** growth
    stopbands = FIRST_STOPBAND * (last_stopband / FIRST_STOPBAND) ** growth
    rates = 2.0 ** np.ceil(np.log2(np.minimum(stopbands * 2, resolution)))
    half_widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = rates + 2 * MARGIN_PX
    sizes[-2:] = resolution
    layers = []
    for index in range(LAYERS + 1):
        before = max(index - 1, 0)
        layers.append(
            LayerPlan(
                in_size=int(sizes[before]),
                out_size=int(sizes[index]),
                in_rate=int(rates[before]),
                out_rate=int(rates[index]),
                in_cutoff=float(cutoffs[before]),
                out_cutoff=float(cutoffs[index]),
                in_half_width=float(half_widths[before]),
                out_half_width=float(half_widths[index]),
                to_rgb=index == LAYERS,
                critical=index >= LAYERS - CRITICAL_LAYERS,
            )
        )
    return Plan(tuple(layers), int(sizes[0]), int(rates[0]), float(cutoffs[0]))
