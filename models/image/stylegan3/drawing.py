"""Generators as they are used: loaded from a path, drawn by seed."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.core.artifacts import CHUNK_BYTES
from models.core.errors import InvalidInput
from models.image.schema import ImageRequest
from models.image.stylegan3.files import CONFIG, convert, load_generator
from models.image.stylegan3.generator import Generator


@dataclass(frozen=True)
class Loaded:
    """A generator with its weights.

    Attributes:
        generator: On its device.
        sha256: Of the weights.
        device: Where it computes.
    """

    generator: Generator
    sha256: str
    device: str

    def check(self, request: ImageRequest) -> None:
        """Refuse what the generator does not have.

        Raises:
            InvalidInput: A size or a class of which it has none.
        """
        config = self.generator.config
        side = config.img_resolution
        wanted = (request.width_px, request.height_px)
        if "size" in request.model_fields_set and wanted != (side, side):
            raise InvalidInput(f"this generator draws {side}x{side} only; leave size out")
        label = request.class_label
        if label is not None and label >= config.c_dim:
            known = f"0 to {config.c_dim - 1}" if config.c_dim else "none"
            raise InvalidInput(f"this generator has no class {label}; it has {known}")

    def style(self, seed: int, truncation: float, label: int | None = None) -> Tensor:
        """Style of a seed, `(1, w_dim)`; the same on every device."""
        config = self.generator.config
        noise = np.random.default_rng(seed).standard_normal((1, config.z_dim))
        z = torch.from_numpy(noise).to(self.device)
        labels = None
        if config.c_dim:
            labels = torch.zeros(1, config.c_dim, device=self.device)
            labels[0, seed % config.c_dim if label is None else label] = 1
        return self.generator.styles(z, labels, truncation)

    def draw(
        self, seed: int, truncation: float, label: int | None, check: Callable[[], None]
    ) -> Image.Image:
        """The picture of a seed; `check` is called between layers and may raise to stop."""
        return as_image(self.generator.picture(self.style(seed, truncation, label), check=check))

    def between(
        self, seeds: tuple[int, ...], frames: int, truncation: float, label: int | None = None
    ) -> Iterator[Image.Image]:
        """Frames of a film that passes by the pictures of the seeds and ends where it began.

        Styles lie on a closed Catmull-Rom curve, so that its speed has no jumps.

        Args:
            seeds: Pictures to pass by.
            frames: From one picture to the next.
            truncation: See `style`.
            label: See `style`.
        """
        styles = [self.style(seed, truncation, label) for seed in seeds]
        for number in range(len(seeds) * frames):
            index, step = divmod(number, frames)
            around = [styles[(index + k) % len(styles)] for k in (-1, 0, 1, 2)]
            yield as_image(self.generator.picture(_curve(around, step / frames)))


def load(path: Path, cache: Path, device: str) -> Loaded:
    """The generator of a folder or of an official file, which is converted once.

    Raises:
        ModelUnavailable: There is none at this path.
    """
    folder = path
    if not path.is_dir():
        folder = cache / _sha256(path)
        if not (folder / CONFIG).exists():
            convert(path, folder)
    generator, sha256 = load_generator(folder)
    return Loaded(generator.to(device), sha256, device)


def as_image(picture: Tensor) -> Image.Image:
    """Values about -1 to 1, `(1, C, R, R)`, as an 8-bit picture."""
    values = ((picture[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
    if len(values) == 1:
        values = values.expand(3, -1, -1)
    return Image.fromarray(values[:3].permute(1, 2, 0).contiguous().numpy())


def _curve(around: list[Tensor], share: float) -> Tensor:
    """Catmull-Rom curve between the second and the third of four points."""
    before, first, second, after = around
    return 0.5 * (
        2 * first
        + (second - before) * share
        + (2 * before - 5 * first + 4 * second - after) * share**2
        + (3 * first - before - 3 * second + after) * share**3
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return "unreadable"  # the conversion says why
    return digest.hexdigest()
