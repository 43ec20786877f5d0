"""The generator of StyleGAN3, written from the paper."""

import math
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.core.errors import ModelUnavailable
from models.image.stylegan3.filtering import Padding, filtered_lrelu
from models.image.stylegan3.plan import GeneratorConfig, LayerPlan, plan

SLOPE = 0.2
MAPPING_RATE = 0.01
"""Learning-rate factor of the mapping network; its weights are stored divided by it."""
EPSILON = 1e-8

_LAYER = re.compile(r"synthesis\.L(\d+)_\d+_\d+\.(.+)")


class Generator:
    """Latents to styles to pictures.

    Args:
        config: What the arrays do not say.
        tensors: Parameters and buffers under their names in official files; layers are named
            `synthesis.L{index}_{size}_{channels}`.

    Raises:
        ModelUnavailable: An array is missing or of another shape than the layers need.
    """

    def __init__(self, config: GeneratorConfig, tensors: Mapping[str, Tensor]) -> None:
        self.config = config
        self.plan = plan(config.img_resolution)
        self._mapping = {
            name.removeprefix("mapping."): tensor
            for name, tensor in tensors.items()
            if name.startswith("mapping.")
        }
        self._input = {
            name.removeprefix("synthesis.input."): tensor
            for name, tensor in tensors.items()
            if name.startswith("synthesis.input.")
        }
        self._layers: tuple[dict[str, Tensor], ...] = tuple({} for _ in self.plan.layers)
        for name, tensor in tensors.items():
            match = _LAYER.fullmatch(name)
            if match and int(match[1]) < len(self._layers):
                self._layers[int(match[1])][match[2]] = tensor
        self._check()

    @property
    def num_ws(self) -> int:
        """Styles of a picture: one for the Fourier features and one for each layer."""
        return len(self.plan.layers) + 1

    def to(self, device: str) -> "Generator":
        """The same generator on another device."""
        moved = object.__new__(Generator)
        moved.config, moved.plan = self.config, self.plan
        moved._mapping = {name: tensor.to(device) for name, tensor in self._mapping.items()}
        moved._input = {name: tensor.to(device) for name, tensor in self._input.items()}
        moved._layers = tuple(
            {name: tensor.to(device) for name, tensor in layer.items()} for layer in self._layers
        )
        return moved

    @torch.inference_mode()
    def styles(self, z: Tensor, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Styles of latents.

        Args:
            z: `(B, z_dim)`, standard normal.
            labels: `(B, c_dim)`, one-hot, where there are classes.
            truncation: 1 keeps the styles, 0 gives the mean one.

        Returns:
            `(B, w_dim)`.
        """
        x = _normalized(z.to(torch.float32))
        if self.config.c_dim:
            if labels is None:
                labels = torch.zeros(len(z), self.config.c_dim, device=z.device)
            embedded = _dense(labels.to(torch.float32), self._mapping, "embed")
            x = torch.cat([x, _normalized(embedded)], dim=1)
        for index in range(self.config.mapping_layers):
            x = _dense(x, self._mapping, f"fc{index}", MAPPING_RATE)
            x = functional.leaky_relu(x, SLOPE) * math.sqrt(2)
        mean = self._mapping["w_avg"]
        return mean + truncation * (x - mean)

    @torch.inference_mode()
    def picture(
        self,
        styles: Tensor,
        transform: Tensor | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Pictures of styles.

        Args:
            styles: `(B, w_dim)`, or `(B, num_ws, w_dim)` for a style per layer.
            transform: `(3, 3)` inverse of how the picture is moved; by default the stored one.
            check: Called before each layer; may raise to stop.

        Returns:
            `(B, img_channels, R, R)`, about -1 to 1.
        """
        if styles.ndim == 2:
            styles = styles[:, None].expand(-1, self.num_ws, -1)
        x = self._features(styles[:, 0], transform)
        for index, (layer, arrays) in enumerate(zip(self.plan.layers, self._layers, strict=True)):
            check()
            x = self._layer(x, styles[:, index + 1], layer, arrays)
        return x * self.config.output_scale

    def _features(self, style: Tensor, transform: Tensor | None) -> Tensor:
        """Fourier features, moved and turned as the style says: `(B, C, S, S)`."""
        arrays, rate, size = self._input, self.plan.input_rate, self.plan.input_size
        pose = _dense(style, arrays, "affine")  # (B, 4)
        pose = pose / pose[:, :2].norm(dim=1, keepdim=True)
        moved = _inverse_pose(pose) @ (arrays["transform"] if transform is None else transform)
        frequencies = arrays["freqs"] @ moved[:, :2, :2]  # (B, C, 2)
        phases = arrays["phases"] + (arrays["freqs"] @ moved[:, :2, 2:]).squeeze(2)  # (B, C)
        # What a turn or a shift cannot change may still have become too fast for the grid.
        cutoff = self.plan.input_cutoff
        reach = (frequencies.norm(dim=2) - cutoff) / (rate / 2 - cutoff)
        strength = (1 - reach).clamp(0, 1)  # (B, C)
        places = (torch.arange(size, device=style.device) * 2 + 1 - size) / (2 * rate)
        waves = (
            frequencies[:, :, None, None, 0] * places[None, None, None, :]
            + frequencies[:, :, None, None, 1] * places[None, None, :, None]
            + phases[:, :, None, None]
        )  # (B, C, S, S)
        x = torch.sin(waves * (2 * math.pi)) * strength[:, :, None, None]
        mix = arrays["weight"] / math.sqrt(arrays["weight"].shape[1])
        return torch.einsum("oc,bchw->bohw", mix, x)

    def _layer(
        self, x: Tensor, style: Tensor, layer: LayerPlan, arrays: Mapping[str, Tensor]
    ) -> Tensor:
        weight = arrays["weight"]
        kernel = weight.shape[2]
        scales = _dense(style, arrays, "affine")  # (B, in)
        if layer.to_rgb:
            scales = scales / math.sqrt(weight.shape[1] * kernel**2)
        x = _modulated_conv(
            x, weight, scales, arrays["magnitude_ema"].rsqrt(), demodulate=not layer.to_rgb
        )
        return filtered_lrelu(
            x,
            arrays["bias"],
            arrays.get("up_filter"),
            arrays.get("down_filter"),
            up=layer.up,
            down=layer.down,
            padding=Padding(*layer.padding(kernel)),
            slope=1.0 if layer.to_rgb else SLOPE,
            gain=1.0 if layer.to_rgb else math.sqrt(2),
            clamp=self.config.conv_clamp,
        )

    def _check(self) -> None:
        config = self.config
        _expect(self._mapping, "w_avg", config.w_dim)
        for index in range(config.mapping_layers):
            wide = config.z_dim + (config.w_dim if config.c_dim else 0)
            _expect(
                self._mapping, f"fc{index}.weight", config.w_dim, config.w_dim if index else wide
            )
            _expect(self._mapping, f"fc{index}.bias", config.w_dim)
        if config.c_dim:
            _expect(self._mapping, "embed.weight", config.w_dim, config.c_dim)
            _expect(self._mapping, "embed.bias", config.w_dim)
        channels = _expect(self._input, "phases", None)[0]
        _expect(self._input, "freqs", channels, 2)
        _expect(self._input, "weight", channels, channels)
        _expect(self._input, "transform", 3, 3)
        _expect(self._input, "affine.weight", 4, config.w_dim)
        _expect(self._input, "affine.bias", 4)
        for layer, arrays in zip(self.plan.layers, self._layers, strict=True):
            channels = _check_layer(layer, arrays, channels, config.w_dim)
        if channels != config.img_channels:
            raise ModelUnavailable(f"the last layer gives {channels} channels")


def _check_layer(layer: LayerPlan, arrays: Mapping[str, Tensor], channels: int, w_dim: int) -> int:
    """The number of channels that the layer gives, if its arrays fit the plan."""
    out, _, kernel, _ = _expect(arrays, "weight", None, channels, None, None)
    _expect(arrays, "weight", out, channels, kernel, kernel)
    _expect(arrays, "bias", out)
    _expect(arrays, "affine.weight", channels, w_dim)
    _expect(arrays, "affine.bias", channels)
    _expect(arrays, "magnitude_ema")
    for name, length in (("up_filter", layer.up_taps), ("down_filter", layer.down_taps)):
        if length > 1:
            square = name in arrays and arrays[name].ndim == 2
            _expect(arrays, name, *([length, length] if square else [length]))
        elif name in arrays:
            raise ModelUnavailable(f"the layer of {layer.out_size} samples needs no {name}")
    return out


def _expect(arrays: Mapping[str, Tensor], name: str, *shape: int | None) -> tuple[int, ...]:
    """The shape of an array, if it is as expected; `None` stands for any length."""
    if name not in arrays:
        raise ModelUnavailable(f"the generator has no array {name}; convert the file again")
    found = tuple(arrays[name].shape)
    fits = len(found) == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(found, shape, strict=True)
    )
    if not fits:
        raise ModelUnavailable(f"{name} has the shape {found}, expected {shape}")
    return found


def _dense(x: Tensor, arrays: Mapping[str, Tensor], name: str, rate: float = 1.0) -> Tensor:
    """Linear layer with a learning rate equalised at run time (Karras et al. 2018)."""
    weight = arrays[f"{name}.weight"]
    gain = rate / math.sqrt(weight.shape[1])
    return functional.linear(x, weight * gain, arrays[f"{name}.bias"] * rate)


def _normalized(x: Tensor) -> Tensor:
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def _inverse_pose(pose: Tensor) -> Tensor:
    """Rotation by `(cos, sin)` after translation by `(x, y)`, inverted: `(B, 3, 3)`."""
    cosine, sine, right, down = pose.unbind(1)
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    turn = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1)
    shift = torch.stack([one, zero, -right, zero, one, -down, zero, zero, one], 1)
    return turn.reshape(-1, 3, 3) @ shift.reshape(-1, 3, 3)


def _modulated_conv(
    x: Tensor, weight: Tensor, scales: Tensor, input_gain: Tensor, *, demodulate: bool
) -> Tensor:
    """Convolution whose weights each sample scales for itself, in full (the output grows).

    Args:
        x: `(B, in, H, W)`.
        weight: `(out, in, K, K)`.
        scales: `(B, in)`.
        input_gain: Brings the input to unit variance, `()`.
        demodulate: Bring the output to unit variance.

    Source: Karras et al. 2020, arXiv:1912.04958, section 2.2.
    """
    if demodulate:
        # Both are cancelled by the demodulation; they keep half precision within its range.
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        scales = scales * scales.square().mean(1, keepdim=True).rsqrt()
    own = weight[None] * scales[:, None, :, None, None]  # (B, out, in, K, K)
    if demodulate:
        own = own * (own.square().sum((2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    own = own * input_gain
    batch, out, inner, kernel, _ = own.shape
    x = functional.conv2d(
        x.reshape(1, batch * inner, *x.shape[2:]),
        own.reshape(batch * out, inner, kernel, kernel),
        padding=kernel - 1,
        groups=batch,
    )
    return x.reshape(batch, out, *x.shape[2:])
