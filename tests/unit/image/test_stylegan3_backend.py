"""The backend `stylegan3`: what is configured is drawn, and what is not says so."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.core.capability import Run, Setup
from models.core.errors import Cancelled, InvalidInput, ModelUnavailable
from models.core.local_store import LocalArtifactStore
from models.image.schema import ImageRequest, ImageResult
from models.image.stylegan3.backend import StyleGan3Backend
from models.image.stylegan3.drawing import load
from tests.unit.image.stylegan3_files import official_file


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    folder = tmp_path_factory.mktemp("stylegan3")
    paths = {kind: folder / f"{kind}.pkl" for kind in "tr"}
    for kind, path in paths.items():
        path.write_bytes(official_file(kind))
    (folder / "hostile.pkl").write_bytes(b"cos\nsystem\n(Vtrue\ntR.")
    options = {
        "stylegan3": {
            "faces": str(paths["t"]),
            "animals": str(paths["r"]),
            "gone": str(folder / "gone.pkl"),
            "hostile": str(folder / "hostile.pkl"),
        }
    }
    store = LocalArtifactStore(folder / "assets", min_free_bytes=0)
    return Setup(store=store, device="cpu", cache_dir=folder, data_dir=folder, options=options)


@pytest.fixture(scope="module")
def backend(setup: Setup) -> StyleGan3Backend:
    return StyleGan3Backend(setup)


def asked(**fields: Any) -> ImageRequest:
    return ImageRequest.model_validate({"backend": "stylegan3", **fields})


def pixels(setup: Setup, result: ImageResult, number: int = 0) -> np.ndarray:
    content = b"".join(setup.store.read(result.images[number].asset.id, "local"))
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_seed_is_a_picture(backend: StyleGan3Backend, setup: Setup) -> None:
    pair = backend.run(asked(seed=5, n=2), Run())
    again = backend.run(asked(seed=6), Run())

    assert [picture.seed for picture in pair.images] == [5, 6]
    assert pair.model == "faces"
    assert pixels(setup, pair).shape == (32, 32, 3)
    assert pair.images[0].asset.id != pair.images[1].asset.id
    assert pair.images[1].asset.id == again.images[0].asset.id


def test_truncation_to_nothing_draws_the_mean_of_all_seeds(
    backend: StyleGan3Backend, setup: Setup
) -> None:
    def drawn(seed: int, truncation: float) -> np.ndarray:
        result = backend.run(asked(seed=seed, truncation=truncation), Run())
        return pixels(setup, result)

    assert (drawn(1, 0.0) == drawn(2, 0.0)).all()
    assert (drawn(1, 1.0) != drawn(2, 1.0)).any()


def test_classes_differ_and_unknown_ones_are_refused(backend: StyleGan3Backend) -> None:
    first, second = (
        backend.run(asked(model="animals", seed=1, class_label=label), Run()) for label in (0, 1)
    )

    assert first.images[0].asset.id != second.images[0].asset.id
    with pytest.raises(InvalidInput, match="0 to 2"):
        backend.run(asked(model="animals", class_label=3), Run())
    with pytest.raises(InvalidInput, match="none"):
        backend.run(asked(class_label=0), Run())


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"size": "64x64"}, "32x32"), ({"steps": 4}, "steps"), ({"format": "exr"}, "scenes")],
)
def test_what_a_generator_does_not_have_is_refused(
    backend: StyleGan3Backend, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        backend.run(asked(**fields), Run())


def test_words_are_told_to_be_without_influence(backend: StyleGan3Backend) -> None:
    result = backend.run(asked(prompt="a smiling face", seed=1), Run())

    assert result.images[0].ignored == ("a", "smiling", "face")


@pytest.mark.parametrize("name", ["gone", "hostile", "unknown"])
def test_a_generator_that_cannot_be_loaded_says_why(backend: StyleGan3Backend, name: str) -> None:
    with pytest.raises(ModelUnavailable):
        backend.run(asked(model=name), Run())

    if name != "unknown":
        card = next(card for card in backend.cards() if card.name == name)
        assert (card.available, bool(card.reason)) == (False, True)


def test_without_generators_the_backend_says_how_to_add_one(setup: Setup) -> None:
    bare = StyleGan3Backend(Setup(setup.store, "cpu", setup.cache_dir, setup.data_dir))

    (card,) = bare.cards()

    assert not card.available
    assert "options.image.stylegan3" in (card.reason or "")
    with pytest.raises(ModelUnavailable):
        bare.run(asked(), Run())


def test_it_stops_when_the_caller_leaves(backend: StyleGan3Backend) -> None:
    looks = 0

    def cancelled() -> bool:
        nonlocal looks
        looks += 1
        return looks > 6

    with pytest.raises(Cancelled):
        backend.run(asked(seed=1), Run(cancelled=cancelled))

    assert looks == 7


def test_a_film_between_seeds_passes_by_their_pictures_and_closes(setup: Setup) -> None:
    path = Path(str(dict(setup.options)["stylegan3"]["faces"]))  # type: ignore[index,call-overload]
    generator = load(path, setup.cache_dir / "stylegan3", "cpu")

    frames = list(generator.between((3, 9), 4, 0.7))

    alone = [generator.draw(seed, 0.7, None, lambda: None) for seed in (3, 9)]
    assert [frames[index].tobytes() for index in (0, 4)] == [image.tobytes() for image in alone]
    steps = [
        np.abs(np.asarray(a, int) - np.asarray(b, int)).mean()
        for a, b in zip(frames, frames[1:] + frames[:1], strict=True)
    ]
    whole = np.abs(np.asarray(alone[0], int) - np.asarray(alone[1], int)).mean()
    assert max(steps) < whole
