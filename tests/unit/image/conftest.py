import pytest

from models.image.scene import SceneDiffusion


@pytest.fixture(scope="session")
def model():
    return SceneDiffusion.load()
