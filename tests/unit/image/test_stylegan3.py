"""The generator against the authors' arrays, and its filters against their definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.core.errors import ModelUnavailable
from models.image.stylegan3.filtering import Padding, downsample, upsample
from models.image.stylegan3.generator import Generator
from models.image.stylegan3.plan import plan
from tests.unit.image.stylegan3_files import CONFIGS, golden, parameters

TOLERANCE = 1e-5


@pytest.mark.parametrize("kind", ["t", "r"])
def test_styles_and_pictures_are_those_of_the_authors(kind: str) -> None:
    arrays = golden(kind)
    generator = Generator(CONFIGS[kind], arrays)
    labels = arrays.get("labels")

    styles = generator.styles(arrays["z"], labels)
    truncated = generator.styles(arrays["z"], labels, truncation=0.7)

    torch.testing.assert_close(styles, arrays["styles"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(truncated, arrays["truncated"], atol=TOLERANCE, rtol=0)
    picture = generator.picture(arrays["truncated"])
    torch.testing.assert_close(picture, arrays["picture"], atol=TOLERANCE, rtol=0)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    arrays = golden("t")
    generator = Generator(CONFIGS["t"], arrays)

    together = generator.picture(arrays["styles"])
    alone = torch.cat([generator.picture(style[None]) for style in arrays["styles"]])

    torch.testing.assert_close(together, alone, atol=TOLERANCE, rtol=0)


def test_full_truncation_gives_the_mean_style() -> None:
    arrays = golden("t")
    generator = Generator(CONFIGS["t"], arrays)

    styles = generator.styles(arrays["z"], truncation=0.0)

    torch.testing.assert_close(styles, arrays["mapping.w_avg"].expand(2, -1))


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = parameters("t")
    name = next(name for name in arrays if name.startswith("synthesis.L3_") and "bias" in name)

    with pytest.raises(ModelUnavailable, match="shape"):
        Generator(CONFIGS["t"], arrays | {name: torch.zeros(99)})
    with pytest.raises(ModelUnavailable, match="no array w_avg"):
        Generator(CONFIGS["t"], {n: v for n, v in arrays.items() if n != "mapping.w_avg"})


def test_the_layers_of_a_megapixel_are_those_of_the_paper() -> None:
    layers = plan(1024).layers

    # Table of appendix B: two critically sampled layers, then colours, at full size.
    assert [layer.out_size for layer in layers] == [
        36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024, 1024,
    ]  # fmt: skip
    assert layers[0].out_cutoff == 2.0
    assert layers[-1].out_cutoff == 512.0
    assert [layer.critical for layer in layers].index(True) == 12


def direct(x: np.ndarray, taps: np.ndarray, up: int, down: int, before: int, after: int):
    """The definition in float64: zeros inserted, padded or cropped, convolved, decimated."""
    height, width = x.shape
    raised = np.zeros((height * up, width * up))
    raised[::up, ::up] = x
    raised = np.pad(raised, ((max(before, 0), max(after, 0)),) * 2)
    low, high = max(-before, 0), max(-after, 0)
    raised = raised[low : raised.shape[0] - high, low : raised.shape[1] - high]
    square = np.outer(taps, taps) if taps.ndim == 1 else taps
    size = len(square)
    flipped = square[::-1, ::-1] * up**2
    rows, columns = (n - size + 1 for n in raised.shape)
    out = np.array(
        [
            [(raised[i : i + size, j : j + size] * flipped).sum() for j in range(columns)]
            for i in range(rows)
        ]
    )
    return out[::down, ::down]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    factor=st.integers(1, 4),
    before=st.integers(-1, 8),
    after=st.integers(-1, 8),
    separable=st.booleans(),
)
def test_resampling_is_what_its_definition_says(
    seed: int, factor: int, before: int, after: int, separable: bool
) -> None:
    generator = np.random.default_rng(seed)
    taps = generator.normal(size=5 if separable else (5, 5))
    x = generator.normal(size=(7, 7))
    tensor, filters = torch.from_numpy(x)[None, None], torch.from_numpy(taps)

    raised = upsample(tensor, filters, factor, Padding(before, after))
    lowered = downsample(tensor, filters, factor)

    np.testing.assert_allclose(raised[0, 0], direct(x, taps, factor, 1, before, after), atol=1e-12)
    np.testing.assert_allclose(lowered[0, 0], direct(x, taps, 1, factor, 0, 0), atol=1e-12)
