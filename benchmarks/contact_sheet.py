"""Contact sheet of pictures, each from one sentence: `python -m benchmarks.contact_sheet OUT.jpg`."""

import argparse
import io
import sys
from pathlib import Path

import torch
from PIL import Image

from models.image.render import Renderer, encode, samples_for
from models.image.scene import SceneDiffusion
from models.image.styles import style_named

COLUMNS = 4
GAP_PX = 6
MAX_BYTES = 500_000
SHOTS: tuple[tuple[str, str, int], ...] = (
    ("a chrome teapot next to two red apples on a wooden table", "photo", 7),
    ("a small red car in front of a white house at sunset", "photo", 3),
    ("three glass bottles and a green vase in a studio", "photo", 4),
    ("a blue rocket behind two orange candles at night", "photo", 7),
    ("a red mushroom between two yellow mushrooms on a mossy green ground, noon", "photo", 1),
    ("a gold star next to a red heart on a navy blue floor", "studio", 3),
    ("a snowman beside a forest green tree", "photo", 5),
    ("a sailing boat next to a stone tower", "golden-hour", 6),
    ("five crystal spheres in a row on a teal floor", "crystal", 8),
    ("a wooden barrel and a crate with a lamp on top of it", "moonlight", 9),
    ("a pink gem on a purple book on a peach floor", "vivid", 10),
    ("a teapot, two mugs and a bowl", "porcelain", 12),
)
"""Prompt, style and seed."""


def drawn(
    diffusion: SceneDiffusion, renderer: Renderer, shot: tuple[str, str, int], side_px: int
) -> Image.Image:
    """One finished picture."""
    prompt, name, seed = shot
    style = style_named(name)
    scene = diffusion.compose(prompt, seed).scene
    rendering = renderer.render(scene, side_px, side_px, samples_for("high"), seed, style)
    content, _, _ = encode(rendering, style, "png")
    print(prompt, file=sys.stderr)
    return Image.open(io.BytesIO(content))


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """The pictures in rows on white."""
    side = pictures[0].width
    rows = -(-len(pictures) // COLUMNS)
    size = (COLUMNS * (side + GAP_PX) - GAP_PX, rows * (side + GAP_PX) - GAP_PX)
    out = Image.new("RGB", size, "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, COLUMNS)
        out.paste(picture, (column * (side + GAP_PX), row * (side + GAP_PX)))
    return out


def saved(image: Image.Image, path: Path) -> None:
    """Write a JPEG of the best quality that stays within `MAX_BYTES`."""
    for quality in range(94, 40, -4):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= MAX_BYTES:
            break
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Compose and draw the sentences one by one and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side-px", type=int, default=384)
    options = parser.parse_args()
    torch.set_num_threads(1)
    diffusion, renderer = SceneDiffusion.load(), Renderer()
    saved(sheet([drawn(diffusion, renderer, shot, options.side_px) for shot in SHOTS]), options.out)


if __name__ == "__main__":
    main()
