"""Contact sheet of what the image capability draws: `python -m benchmarks.contact_sheet OUT.jpg`."""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scenes import Shot, shots
from models.image.render import Renderer, encode, samples_for
from models.image.styles import style_named

COLUMNS = 4
GAP_PX = 6
MAX_BYTES = 500_000


def drawn(renderer: Renderer, item: Shot, side_px: int, samples: int, seed: int) -> Image.Image:
    """One finished picture."""
    style = style_named(item.style)
    rendering = renderer.render(item.scene, side_px, side_px, samples, seed, style)
    content, _, _ = encode(rendering, style, "png")
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
    for quality in np.arange(94, 40, -4):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(quality), optimize=True, progressive=True)
        if buffer.tell() <= MAX_BYTES:
            break
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Draw the scenes one by one and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side-px", type=int, default=384)
    parser.add_argument("--quality", choices=["draft", "standard", "high"], default="high")
    options = parser.parse_args()
    renderer = Renderer()
    samples = samples_for(options.quality)
    pictures = [
        drawn(renderer, item, options.side_px, samples, seed) for seed, item in enumerate(shots())
    ]
    saved(sheet(pictures), options.out)


if __name__ == "__main__":
    main()
