import numpy as np
import pytest
import torch

from models.core.seeds import SEED_LIMIT, derive, draw_seed, numpy_generator, torch_generator


def test_streams_are_the_same_on_every_machine():
    assert derive(7, "lights", 3) % 2**32 == 3665882591
    assert numpy_generator(7, "lights").integers(1000, size=4).tolist() == [83, 871, 814, 120]
    assert torch.randint(1000, (4,), generator=torch_generator(7, "lights")).tolist() == [
        568,
        572,
        761,
        236,
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [((7, "a"), (8, "a")), ((7, "a"), (7, "b")), ((7, "ab"), (7, "a", "b")), ((7, 1), (7, "1")), ((7,), (7, ""))],
)  # fmt: skip
def test_other_labels_give_another_stream(one, other):
    assert derive(*one) != derive(*other)


def test_streams_are_uncorrelated():
    draws = np.stack([numpy_generator(7, i).standard_normal(4000) for i in range(8)])
    correlations = np.corrcoef(draws) - np.eye(8)

    assert np.abs(correlations).max() < 5 / np.sqrt(4000)


def test_a_numpy_seed_is_a_seed():
    assert derive(np.int64(7), "a") == derive(7, "a")


def test_drawn_seeds_fit_a_request():
    seeds = {draw_seed() for _ in range(100)}

    assert len(seeds) > 90
    assert all(0 <= seed < SEED_LIMIT for seed in seeds)
