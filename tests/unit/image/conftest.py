"""One model for all tests, on one thread: with more, threads wait for each other."""

import pytest
import torch

from models.image.scene import SceneDiffusion

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model() -> SceneDiffusion:
    return SceneDiffusion.load()
