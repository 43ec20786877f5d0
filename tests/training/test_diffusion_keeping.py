"""Checkpoints that are loaded ahead of demand, made on the fly and drawn by the real backend."""

from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks import tiny_checkpoint
from models.core.capability import Keeper, Setup
from models.core.errors import CapacityExceeded
from models.core.local_store import LocalArtifactStore
from models.image import model as image_model
from models.image.backends import BACKENDS, Backends
from models.image.diffusion.backend import DiffusersBackend
from models.image.diffusion.gauges import HostGauge
from models.image.fine_tune import AdaptersRequest
from models.image.schema import ImageRequest
from tests.training.test_diffusion_backend import ANYBODY, built, draw, key, request


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints")
    tiny_checkpoint.sdxl(folder / "xl")
    tiny_checkpoint.sd(folder / "one")
    (folder / "adapters").mkdir()
    return folder


@pytest.fixture
def small(shelf: Path, tmp_path: Path) -> DiffusersBackend:
    return built(shelf, tmp_path, resident=1, attention="xformers")


def test_one_resident_makes_room_for_the_next_and_says_which_attention_it_has(
    small: DiffusersBackend,
) -> None:
    first = draw(small)
    other = small.run(request("one"), ANYBODY)

    assert "xformers needs a GPU with CUDA" in other.degraded[0]
    assert small._residents.loaded(key(small)) is None
    assert draw(small) == first


def test_a_checkpoint_loaded_ahead_is_not_loaded_again_and_makes_room_only_if_it_is_spare(
    small: DiffusersBackend,
) -> None:
    small.keep("xl")
    ahead = small._residents.loaded(key(small))
    draw(small)
    same = small._residents.loaded(key(small)) is ahead
    with pytest.raises(CapacityExceeded):
        small.keep("one")
    small.spare(("xl",))
    small.keep("one")

    assert same
    assert ahead is not None
    assert (small.places, small.kept()) == (1, ("one",))
    assert [small.asks(request(model)) for model in ("xl", "none")] == ["xl", ""]


def test_what_does_not_fit_into_free_memory_is_not_loaded_ahead(
    small: DiffusersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostGauge, "free_bytes", lambda _: 1000)
    with pytest.raises(CapacityExceeded, match="memory"):
        small.keep("xl")

    assert small.kept() == ()


def test_the_capability_keeps_checkpoints_and_asks_for_none_without_one(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = {"diffusers": BACKENDS["diffusers"], "stylegan3": BACKENDS["stylegan3"]}
    # Without the backend of scenes, which takes seconds to build.
    monkeypatch.setattr(image_model, "Backends", partial(Backends, classes=classes))
    store = LocalArtifactStore(tmp_path, min_free_bytes=0)
    options = {"diffusers": {"checkpoints": str(shelf), "hub": [], "resident": 2}}
    model = image_model.ImageModel(Setup(store, "cpu", tmp_path, tmp_path, options))  # type: ignore[arg-type]
    model.keep("one")
    asked = [
        request("xl", backend="auto"),
        request("none", backend="auto"),
        ImageRequest(prompt="a cube"),
        AdaptersRequest(),
    ]

    assert isinstance(model, Keeper)
    assert (model.places, model.kept()) == (2, ("one",))
    assert [model.asks(one) for one in asked] == ["xl", "", "", ""]
