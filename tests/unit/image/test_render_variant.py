from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models.image.render import variant
from models.image.render.denoise import OVERLAP_PX, TILE_PX, _strips, find_denoiser
from models.image.render.variant import find_library


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "libLLVM-99.so"
    fake.write_bytes(b"not a library")

    assert find_library(str(fake)) is None


@pytest.mark.parametrize("length", [64, 576, 577, 1000, 2048])
def test_tiles_cover_every_row_and_overlap(length: int) -> None:
    strips = _strips(length)

    assert strips[0].start == 0
    assert strips[-1].stop == length
    assert all(strip.stop - strip.start <= TILE_PX for strip in strips)
    pairs = pairwise(strips)
    assert all(a.stop - b.start >= OVERLAP_PX - 1 for a, b in pairs)


def test_the_denoiser_removes_noise_across_tiles() -> None:
    denoise = find_denoiser()
    if denoise is None:
        pytest.skip("pyoidn is not installed")
    noise = np.random.default_rng(0).exponential(1.0, (80, 700, 3)).astype(np.float32)
    flat = np.full_like(noise, 0.5)
    clean = denoise(noise, flat, np.zeros_like(noise), lambda: None)

    assert clean.std() < 0.25 * noise.std()
    assert clean.mean() == pytest.approx(1.0, rel=0.1)


def test_a_library_that_rendered_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libLLVM.so.99"
    library.write_bytes(b"")
    tried: list[str] = []

    def renders(_variant: str, environment: dict[str, str]) -> bool:
        tried.append(environment[variant.LIBRARY_VARIABLE])
        return len(tried) > 1

    monkeypatch.setattr(variant, "_renders", renders)
    found = [find_library(str(library), tmp_path) for _ in range(3)]

    assert found == [None, str(library), str(library)]
    assert len(tried) == 2
